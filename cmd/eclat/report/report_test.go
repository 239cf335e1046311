package report

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// TestEscapes: nothing in the data can end a script or begin a tag.
func TestEscapes(t *testing.T) {
	const evil = `</script><script>alert(1)</script><b>"'`
	p := &Page{Title: evil, Subtitle: evil, Verdict: evil, Footer: evil, Facts: []Fact{{evil, evil}},
		Charts: []Chart{{Title: evil, Note: evil, Kind: Bars, X: evil, Points: []Point{{X: 1, Series: evil, Label: evil, Tip: evil}}}},
		Tables: []Table{{Title: evil, Head: []string{evil, evil}, Rows: [][]string{{evil, "1"}}, Numbers: 1}}}
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if strings.Contains(out, "alert(1)</script>") || strings.Contains(out, "<script>alert") || strings.Contains(out, "<b>\"") {
		t.Error("the data reached the page unescaped")
	}
	if strings.Count(out, "</script>") != 4 { // the data and three libraries
		t.Errorf("%d scripts", strings.Count(out, "</script>"))
	}
	if !strings.Contains(out, `<td class="number">1</td>`) || !strings.Contains(out, "Content-Security-Policy") {
		t.Error("the table or the policy is missing")
	}
}

func TestRefusesNoNumbers(t *testing.T) {
	for _, x := range []float64{math.NaN(), math.Inf(1)} {
		p := &Page{Charts: []Chart{{Title: "c", Points: []Point{{Y: x}}}}}
		if err := Write(&bytes.Buffer{}, p); err == nil {
			t.Errorf("%g was drawn", x)
		}
	}
}
