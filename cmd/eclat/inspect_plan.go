package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"eclat/cmd/eclat/out"
	"eclat/loader/manifest"
	"eclat/loader/quant"
	"eclat/model"
)

// inspectPlan shows what a model computes, with the experts of so many layers apart.
func inspectPlan(w io.Writer, m *model.Model, room model.Room, apart int) error {
	v, err := newPlanView(m, room, apart)
	if err != nil {
		return err
	}
	v.print(w)
	return nil
}

// planView is a plan laid out for people: what stands before the layers, each kind of
// layer once, and what stands after them.
type planView struct {
	plan   *model.Plan
	where  []string // of each step
	before []planLine
	layers []planLayers
	after  []planLine
}

// planLayers are layers whose steps are alike but for their number and the types of
// their weights.
type planLayers struct {
	layers []int
	lines  []planLine
	types  [][][]quant.Type // of each step's sources in each of the layers, (steps, sources, layers)
}

// planLine is a step in words, without the number of its layer.
type planLine struct {
	op, name, shape string
	src             []planSource
	args            string
	where           string // of a plan that is cut: on which device
}

type planSource struct {
	name, shape string
	ty          quant.Type // of a weight; F32 for others
	weight      bool
}

// newPlanView lays out the plan of the whole model.
func newPlanView(m *model.Model, room model.Room, apart int) (*planView, error) {
	st := m.Whole()
	st.Sample = true
	p, err := m.Describe(st, room)
	if err != nil {
		return nil, err
	}
	v := &planView{plan: p}
	if v.where, err = whereOf(p, apart); err != nil {
		return nil, err
	}
	input := model.None // what the running layer is given
	for at := 0; at < len(p.Steps); {
		l := stepLayer(p, at)
		end := at + 1
		for end < len(p.Steps) && stepLayer(p, end) == l {
			end++
		}
		var lines []planLine
		for i := at; i < end; i++ {
			lines = append(lines, v.line(i, l, input))
		}
		switch {
		case l >= 0:
			v.add(l, lines)
		case len(v.layers) == 0:
			v.before = append(v.before, lines...)
		default:
			v.after = append(v.after, lines...)
		}
		input = p.Steps[end-1].Dst
		at = end
	}
	return v, nil
}

// whereOf tells which steps are computed on the processor when the experts of the first
// layers are apart from a GPU, and which on both.
func whereOf(p *model.Plan, layers int) ([]string, error) {
	c, err := p.CutExperts(func(l int) bool { return l < layers })
	if err != nil {
		return nil, err
	}
	here, apart := make([]bool, len(p.Steps)), make([]bool, len(p.Steps))
	for _, x := range c.Pieces {
		for _, at := range x.Of {
			switch {
			case at < 0:
			case x.Apart:
				apart[at] = true
			default:
				here[at] = true
			}
		}
	}
	where := make([]string, len(p.Steps))
	for i := range where {
		switch {
		case apart[i] && here[i]:
			where[i] = "  on the GPU and the CPU"
		case apart[i]:
			where[i] = "  on the CPU"
		}
	}
	return where, nil
}

// stepLayer is the layer of a step, −1 outside the layers.
func stepLayer(p *model.Plan, i int) int {
	return manifest.LayerOf(p.Tensors[p.Steps[i].Dst].Name)
}

// line describes step i of layer l, which is given the tensor input.
func (v *planView) line(i, l int, input model.ID) planLine {
	s := &v.plan.Steps[i]
	dst := &v.plan.Tensors[s.Dst]
	_, name := manifest.CutLayer(dst.Name)
	step := planLine{op: s.Op.String(), name: name, shape: v.shape(dst), args: s.Args(), where: v.where[i]}
	for _, id := range s.Src {
		t := &v.plan.Tensors[id]
		src := planSource{name: t.Name, shape: v.shape(t)}
		switch layer, part := manifest.CutLayer(t.Name); {
		case l >= 0 && layer == l:
			src.name = part
		case l >= 0 && id == input:
			src.name = "input"
		}
		if src.weight = t.Kind == model.Weight; src.weight {
			src.ty = t.Type
		}
		step.src = append(step.src, src)
	}
	return step
}

// shape prints a tensor's shape, innermost first: n is the number of tokens, w of
// those whose answer is wanted.
func (v *planView) shape(t *model.Tensor) string {
	cols := strconv.Itoa(t.Cols)
	switch t.Kind {
	case model.TokenRows:
		return cols + "×n"
	case model.WantRows:
		return cols + "×w"
	case model.Kept:
		return cols + " " + t.Type.String() // the pools tell of what
	}
	if t.Rows == 1 {
		return cols
	}
	return model.Shape(t.Cols, t.Rows)
}

// per is what a row of memory belongs to.
func per(p model.Per) string {
	if p == model.Sequence {
		return "sequence"
	}
	return "position"
}

// alike reports whether two steps differ at most in the types of their weights.
func (a *planLine) alike(b *planLine) bool {
	return a.op == b.op && a.name == b.name && a.shape == b.shape && a.args == b.args && a.where == b.where &&
		slices.EqualFunc(a.src, b.src, func(x, y planSource) bool {
			x.ty, y.ty = 0, 0
			return x == y
		})
}

// add puts a layer to those that it is like.
func (v *planView) add(l int, lines []planLine) {
	i := slices.IndexFunc(v.layers, func(g planLayers) bool {
		return slices.EqualFunc(g.lines, lines, func(a, b planLine) bool { return a.alike(&b) })
	})
	if i < 0 {
		i = len(v.layers)
		g := planLayers{lines: lines, types: make([][][]quant.Type, len(lines))}
		for j := range lines {
			g.types[j] = make([][]quant.Type, len(lines[j].src))
		}
		v.layers = append(v.layers, g)
	}
	g := &v.layers[i]
	g.layers = append(g.layers, l)
	for j := range lines {
		for k := range lines[j].src {
			g.types[j][k] = append(g.types[j][k], lines[j].src[k].ty)
		}
	}
}

// print shows the plan: every step with its shapes, the memory, and what each op
// computes.
func (v *planView) print(w io.Writer) {
	var t planTable
	t.row("OP", "RESULT", "SHAPE", "OF", "WITH")
	step := func(s *planLine, types [][]quant.Type) {
		var of []string
		for k, x := range s.src {
			text := x.name + " " + x.shape
			if x.weight && types != nil {
				text += " " + countTypes(types[k])
			} else if x.weight {
				text += " " + x.ty.String()
			}
			of = append(of, text)
		}
		t.row(s.op, s.name, s.shape, strings.Join(of, ", "), strings.TrimSpace(s.args+s.where))
	}
	for i := range v.before {
		step(&v.before[i], nil)
	}
	for _, g := range v.layers {
		t.row(g.title())
		for i := range g.lines {
			step(&g.lines[i], g.types[i])
		}
	}
	if len(v.layers) > 0 && len(v.after) > 0 {
		t.row("after the layers:")
	}
	for i := range v.after {
		step(&v.after[i], nil)
	}
	t.row()
	t.row("n tokens of a batch, w of them with an answer; shapes in elements, innermost first.")
	t.row()
	v.memory(&t)
	t.row()
	var seen []model.Op
	for _, s := range v.plan.Steps {
		if !slices.Contains(seen, s.Op) {
			seen = append(seen, s.Op)
			t.row(s.Op.String(), s.Op.Formula())
		}
	}
	t.print(w)
}

// title names layers, as in "blk.0–4, 6–10 alike: 10 ×".
func (g *planLayers) title() string {
	var ranges []string
	for i := 0; i < len(g.layers); {
		end := i + 1
		for end < len(g.layers) && g.layers[end] == g.layers[end-1]+1 {
			end++
		}
		text := strconv.Itoa(g.layers[i])
		if end-i > 1 {
			text += "–" + strconv.Itoa(g.layers[end-1])
		}
		ranges = append(ranges, text)
		i = end
	}
	text := "blk." + strings.Join(ranges, ", ")
	if n := len(g.layers); n > 1 {
		text += fmt.Sprintf(" alike: %d ×", n)
	}
	return text
}

// countTypes prints types with how many layers have each, as in "Q4_K ×20 Q6_K ×20".
func countTypes(types []quant.Type) string {
	var counts []string
	for i, ty := range types {
		if slices.Index(types, ty) < i {
			continue
		}
		n := 0
		for _, t := range types {
			if t == ty {
				n++
			}
		}
		if n == len(types) {
			return ty.String()
		}
		counts = append(counts, fmt.Sprintf("%s ×%d", ty, n))
	}
	return strings.Join(counts, " ")
}

// memory lists the pools: what takes units from each, and what a unit takes.
func (v *planView) memory(t *planTable) {
	t.row("MEMORY", "KEPT FOR", "BYTES", "TENSORS")
	for i, pool := range v.plan.Pools {
		rows, what := int64(pool.RowsOf()), "each "+per(pool.Per)
		if pool.Per == model.Window {
			what = fmt.Sprintf("the last %d positions", pool.Window)
		}
		counts := map[string]int{}
		var names []string
		for j := range v.plan.Tensors {
			if x := &v.plan.Tensors[j]; x.Kind == model.Kept && x.Pool == i {
				_, part := manifest.CutLayer(x.Name)
				part += " " + v.shape(x)
				if counts[part]++; counts[part] == 1 {
					names = append(names, part)
				}
			}
		}
		for j, n := range names {
			names[j] = fmt.Sprintf("%d × %s", counts[n], n)
		}
		t.row(fmt.Sprintf("pool %d", i), what, fmt.Sprintf("%d a %s", v.plan.UnitBytes(i)/rows, per(pool.Per)), strings.Join(names, ", "))
	}
	if len(v.plan.Pools) == 0 {
		t.row("none")
	}
}

// planTable is rows of cells, aligned over the whole of it; a row of one cell stands
// across the columns.
type planTable struct{ rows [][]string }

func (t *planTable) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *planTable) print(w io.Writer) {
	var width []int
	for _, r := range t.rows {
		for i := range len(r) - 1 { // the last cell needs no room
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	for _, r := range t.rows {
		line := ""
		for i, cell := range r {
			if line += cell; i < len(r)-1 {
				line += strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
			}
		}
		out.Fprintf(w, "%s\n", strings.TrimRight(line, " ")) // the writer keeps its error
	}
}
