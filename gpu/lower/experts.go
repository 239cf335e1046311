package lower

import (
	"fmt"
	"slices"

	"eclat/model"
)

// Products with experts run by one of two ways (shaders/lib/experts.glsl). Where columns
// are few, each slot, a row and one of its experts, has workgroups of its own, which read
// the expert's rows once. Where they are many, the slots of an expert are gathered on the
// device first, in tiles that share what is read. The heads of MatMulHeads are experts that
// every row goes to, in their order.

// mostGroups is how many workgroups any device has along an axis.
const mostGroups = 65535

// experts is what a product with experts has beside a matrix's; zero for that.
type experts struct {
	n, used     int      // experts, those of a row
	routes      model.ID // None of heads
	stack, skip int      // rows of each matrix; the first that are left out
	out         int      // rows that are used
	own         bool
}

func (l *Lowering) expertsOf(s *model.Step) experts {
	w := l.Plan.Tensors[s.Src[0]]
	if s.Op == model.MatMulHeads {
		heads := int(s.Arg[0])
		return experts{n: heads, used: heads, routes: model.None, stack: w.Rows / heads, out: w.Rows / heads, own: true}
	}
	e := experts{n: int(s.Arg[0]), used: l.Plan.Tensors[s.Src[2]].Cols / 2, routes: s.Src[2], skip: int(s.Arg[1])}
	e.stack, e.out, e.own = w.Rows/e.n, l.Plan.Tensors[s.Dst].Cols/e.used, l.Plan.Tensors[s.Src[1]].Cols != w.Cols
	return e
}

// tiles is the most tiles of a width that n rows have: of one column, their slots.
func (e *experts) tiles(n, width uint32) uint32 {
	slots := n * uint32(e.used)
	if width == 1 {
		return slots
	}
	return (slots + (width-1)*min(slots, uint32(e.n))) / width
}

// shapeOf is the shape of a step's product.
func (k *Kernels) shapeOf(l *Lowering, s *model.Step) (Shape, error) {
	info, n := l.Weight(s.Src[0]), l.Plan.Rows(s.Dst, l.Size)
	if s.Op == model.MatMul {
		return k.shapeFor(info, n)
	}
	return k.shapeOfExperts(l.expertsOf(s), info, n)
}

// shapeOfExperts is the presumably best shape for n rows: for as many columns as an
// expert has of them on average.
func (k *Kernels) shapeOfExperts(e experts, info *WeightInfo, n int) (Shape, error) {
	each := 1
	if slots := n * e.used; n > 1 && slots > e.n {
		each = max(2, (slots+e.n-1)/e.n)
	}
	list := k.Shapes(info, each)
	if each > 1 { // a matvec of one column has no tiles
		list = slices.DeleteFunc(list, func(s Shape) bool { return !s.Tiled() && s.Cols == 1 })
	}
	if len(list) == 0 {
		_, err := k.shapeFor(info, 1)
		if err == nil {
			err = fmt.Errorf("gpu: no kernel for %d columns of weights of type %s works on %s", each, info.Type, k.dev.Name)
		}
		return Shape{}, err
	}
	s := list[0]
	if k.as != nil && slices.Contains(list, *k.as) {
		s = *k.as
	}
	if tiles := e.tiles(uint32(n), k.columns(s)); tiles > mostGroups {
		return Shape{}, model.Unsupported(fmt.Errorf("gpu: %d tokens with %d experts each are %d tiles; use fewer tokens at once", n, e.used, tiles))
	}
	return s, nil
}

// columns is how many columns a workgroup of a shape takes.
func (k *Kernels) columns(s Shape) uint32 {
	if !s.Tiled() {
		return s.Cols
	}
	_, bn := k.tile(s)
	return bn
}

// tiling is slots gathered by experts, in tiles of a width, or with a width of 1 what
// experts they go to.
type tiling struct {
	routes model.ID
	heads  int // where there are no routes
	width  uint32
}

func (e *experts) tiling(width uint32) tiling {
	if e.routes != model.None {
		return tiling{e.routes, 0, width}
	}
	return tiling{e.routes, e.n, width}
}

// tile has the slots of a product with experts gathered, once for all that are lowered
// together and have tiles of the same width.
func (w *lowered) tile() error {
	if w.s.Op == model.MatMul {
		return nil
	}
	s, err := w.k.shapeOf(w.l, w.s)
	if err != nil {
		return err
	}
	e := w.l.expertsOf(w.s)
	t := e.tiling(w.k.columns(s))
	if _, ok := w.tiles[t]; ok || t.heads == 0 && t.width == 1 {
		return nil
	}
	kernel := "experts"
	if t.heads > 0 {
		kernel = "heads"
	}
	if err := w.k.works(kernel); err != nil {
		return err
	}
	n := uint32(w.rows(w.s.Dst))
	slots := 4 + 3*e.tiles(n, t.width) // the word where they begin
	to := w.scratch((int64(slots+n*uint32(e.used))*4 + 255) &^ 255)
	w.tiles[t] = to
	to.Write = true
	word, rows := count(w.dst)
	if t.heads > 0 {
		local := w.k.local()
		w.launch(kernel, []uint32{local, boolWord(t.width > 1)}, []uint32{uint32(e.n), word, t.width, slots},
			func(r Run) [3]uint32 { return [3]uint32{ceilDiv(rows(r)*uint32(e.n), local), 1, 1} }, to)
		return nil
	}
	w.launch(kernel, []uint32{w.k.local()}, []uint32{uint32(e.n), word, uint32(e.used), t.width, slots},
		func(Run) [3]uint32 { return [3]uint32{1, 1, 1} }, to, read(e.routes))
	return nil
}

// routed binds what tells a product of a shape its experts.
func (w *lowered) routed(e experts, s Shape) Bind {
	if e.used == 0 {
		return Bind{Mem: Inputs0}
	}
	if to, ok := w.tiles[e.tiling(w.k.columns(s))]; ok {
		return to
	}
	return read(e.routes)
}

func (w *lowered) route() error {
	if err := w.k.works("route"); err != nil {
		return err
	}
	bias, a := Bind{Mem: Inputs0}, &w.s.Arg
	if len(w.s.Src) > 1 {
		var err error
		if bias, err = w.vector(w.s.Src[1]); err != nil {
			return err
		}
	}
	word, rows := count(w.dst)
	w.launch("route", []uint32{w.k.local(), a[1], boolWord(len(w.s.Src) > 1)},
		[]uint32{uint32(w.src(0).Cols), word, a[0], a[2], a[3], a[4], a[5], FloatWord(model.RouteFloor)},
		func(r Run) [3]uint32 { return [3]uint32{rows(r), 1, 1} },
		write(w.s.Dst), read(w.s.Src[0]), bias)
	return nil
}

func (w *lowered) combine() error {
	if err := w.k.works("combine"); err != nil {
		return err
	}
	scaled, scale := len(w.s.Src) > 2, read(w.s.Src[1]) // what is not read is bound to something
	if scaled {
		var err error
		if scale, err = w.vector(w.s.Src[2]); err != nil {
			return err
		}
	}
	local, cols := w.k.local(), uint32(w.dst.Cols)
	word, _ := count(w.dst)
	w.launch("combine", []uint32{local, boolWord(scaled)}, []uint32{cols, word, uint32(w.src(1).Cols / 2)}, perRow(w.dst, ceilDiv(cols, local)),
		write(w.s.Dst), read(w.s.Src[0]), read(w.s.Src[1]), scale)
	return nil
}
