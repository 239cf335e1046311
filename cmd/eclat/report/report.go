package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"

	"eclat/cmd/eclat/out"
)

// Page is what a report says.
type Page struct {
	Title    string
	Subtitle string
	Verdict  string // may be empty
	Good     bool   // of the verdict
	Facts    []Fact
	Charts   []Chart
	Tables   []Table
	Footer   string
}

// Fact is a name and a value.
type Fact struct{ Name, Value string }

// Kind is the way a chart is drawn.
type Kind string

const (
	Lines Kind = "lines" // a line and dots for each series over numbers
	Dots  Kind = "dots"  // dots for each series over numbers
	Bars  Kind = "bars"  // a bar to the right for each label
)

// Chart is a picture of points.
type Chart struct {
	Title  string  `json:"title"`
	Note   string  `json:"note"` // below the title; may be empty
	Kind   Kind    `json:"kind"`
	X      string  `json:"x"` // what the axes count
	Y      string  `json:"y"`
	Log    bool    `json:"log"`            // Y is logarithmic: points at 0 are not drawn
	Limit  float64 `json:"limit"`          // a line across at this Y; 0 for none
	Line   string  `json:"line,omitempty"` // a series of Dots that is joined by a line
	Points []Point `json:"points"`
}

// Point is one thing drawn. Bars have a Label and X, the others X and Y.
type Point struct {
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Dev    float64 `json:"dev,omitempty"` // deviation of Y, or of X in Bars; drawn both ways
	Series string  `json:"series"`        // chooses the colour
	Label  string  `json:"label,omitempty"`
	Tip    string  `json:"tip"` // shown under the pointer
}

// Table is text in columns; the columns from Numbers on lean right.
type Table struct {
	Title   string
	Head    []string
	Rows    [][]string
	Numbers int
}

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
	//go:embed assets/d3.min.js
	d3 string
	//go:embed assets/plot.umd.min.js
	plot string
	//go:embed assets/LICENSES.txt
	licences string
)

var page = template.Must(template.New("page").Parse(pageHTML))

// Write writes the page. Texts may come from anywhere: what HTML, or hidden
// characters, would make of them is escaped.
func Write(w io.Writer, p *Page) error {
	for i := range p.Charts {
		for _, x := range p.Charts[i].Points {
			for _, v := range []float64{x.X, x.Y, x.Dev} {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return fmt.Errorf("report: %s: a point of %q is no number", p.Charts[i].Title, x.Series)
				}
			}
		}
	}
	p = p.escaped()
	return page.Execute(w, struct {
		*Page
		CSS      template.CSS
		Scripts  []template.JS
		Licences string
	}{p, template.CSS(pageCSS), []template.JS{template.JS(d3), template.JS(plot), template.JS(pageJS)}, licences})
}

// escaped is a copy of the page in which every text shows all of its characters.
func (p *Page) escaped() *Page {
	c := *p
	for _, s := range []*string{&c.Title, &c.Subtitle, &c.Verdict, &c.Footer} {
		*s = out.Escape(*s)
	}
	c.Facts = nil
	for _, f := range p.Facts {
		c.Facts = append(c.Facts, Fact{out.Escape(f.Name), out.Escape(f.Value)})
	}
	c.Charts = nil
	for _, x := range p.Charts {
		for _, s := range []*string{&x.Title, &x.Note, &x.X, &x.Y, &x.Line} {
			*s = out.Escape(*s)
		}
		points := x.Points
		x.Points = make([]Point, len(points))
		for i, at := range points {
			at.Series, at.Label, at.Tip = out.Escape(at.Series), out.Escape(at.Label), out.Escape(at.Tip)
			x.Points[i] = at
		}
		c.Charts = append(c.Charts, x)
	}
	c.Tables = nil
	for _, t := range p.Tables {
		t.Title, t.Head = out.Escape(t.Title), escapeAll(t.Head)
		rows := t.Rows
		t.Rows = make([][]string, len(rows))
		for i, r := range rows {
			t.Rows[i] = escapeAll(r)
		}
		c.Tables = append(c.Tables, t)
	}
	return &c
}

func escapeAll(cells []string) []string {
	escaped := make([]string, len(cells))
	for i, c := range cells {
		escaped[i] = out.Escape(c)
	}
	return escaped
}
