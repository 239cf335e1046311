package lower

import (
	"fmt"
	"slices"
	"strings"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/shaders"
)

// pieceOf returns how many elements of a weight's row a kernel decodes at once
// (PIECE of lib/weights.glsl).
func pieceOf(t quant.Type) uint32 {
	if t.Integers() {
		return 32
	}
	return 8
}

// Shape is how a matmul kernel is cut: its specialization constants 1 and up.
type Shape struct {
	Load string // suffix of matvec; tile and what follows for a kernel that goes through shared memory
	Rows uint32 // of W, and
	Cols uint32 // of x: of an invocation; with LoadCoop, matrices of a subgroup
}

// tile is the kernel of many rows of x, with the suffix of how it loads.
const tile = "tile"

// Tiled reports whether it goes through shared memory.
func (s *Shape) Tiled() bool { return strings.HasPrefix(s.Load, tile) }

// load is the suffix of the kernel.
func (s *Shape) load() string { return strings.TrimPrefix(s.Load, tile) }

// packed reports whether rows of x are bytes (shaders/lib/round.glsl), not floats.
func (s *Shape) packed() bool { return s.load() == LoadDot || s.load() == LoadCoop }

// kernel is the name of the variant.
func (s *Shape) kernel(t quant.Type) string {
	if s.Tiled() {
		return "matmul_" + shaders.TypeName(t) + s.load()
	}
	return matvecOf(t, s.Load)
}

// matvecOf names the matvec of a way to load. It reduces in shared memory, so the plain
// one is that with buffers.
func matvecOf(t quant.Type, load string) string {
	if load == LoadPlain {
		load = LoadBuffer
	}
	return "matvec_" + shaders.TypeName(t) + load
}

// productKernel is the type and the Shape.Load of a kernel's name, false for another kernel.
func productKernel(name string) (t quant.Type, load string, ok bool) {
	for _, t = range shaders.Types {
		for _, load = range []string{LoadBuffer, LoadTexel, LoadDot, tile, tile + LoadDot, tile + LoadCoop} {
			if s := (Shape{Load: load}); s.kernel(t) == name {
				return t, load, true
			}
		}
	}
	return 0, "", false
}

// Product is how a matmul's dispatch is cut and what is part of it.
type Product struct {
	Type quant.Type
	Shape
	Tail         bool   // rows of W are not whole pieces
	Add          uint32 // 1: a row of another activation is added to each row; 2: the same row to all
	GLU          bool
	Experts, Own bool // of experts; each of a row has a row of its own
}

// ProductOf says what product a dispatch is, false where it is none.
func ProductOf(d *Dispatch) (p Product, ok bool) {
	if p.Type, p.Load, ok = productKernel(d.Kernel); !ok {
		return p, false
	}
	p.Rows, p.Cols = d.Spec[1], d.Spec[2]
	switch {
	case p.load() == LoadCoop:
		p.Add = d.Spec[5]
		p.Experts, p.Own = d.Spec[9] != 0, d.Spec[10] != 0
	case p.Tiled():
		p.Tail, p.Add = d.Spec[5] != 0, d.Spec[6]
		p.Experts, p.Own = d.Spec[7] != 0, d.Spec[8] != 0
	default:
		p.Tail, p.Add, p.GLU = d.Spec[3] != 0, d.Spec[4], d.Spec[5] != 0
		p.Experts, p.Own = d.Spec[6] != 0, d.Spec[7] != 0
	}
	return p, true
}

// MaxCols is the most rows of x that matvec takes at once.
const MaxCols = 8

// tileX is how many invocations of a tile's workgroup lie along W, and along x; with
// LoadCoop coopX are so many subgroups.
const (
	tileX = 16
	coopX = 2
)

// What tiles of bytes ask of a card, reckoned and not measured: no card has run them. A
// matrix of sums is M·N / subgroup registers an invocation, and four sets wait for each
// other beside the two of a product; {2, 2} of coopTiles then takes
//
//	H100, RTX 4070 (16, 16, 32), subgroups of 32    190 registers, 22 KiB: 2 workgroups a unit
//	RX 7900        (16, 16, 16), of 64              110 registers, 22 KiB: 5
//	Arc B580       (8, 16, 32), of 16               190 registers, which {2, 1} with 110 spares it
//	M-series       none: MoltenVK has neither matrices nor fast dots; floats come first
//
// An element of a block of 32 costs a conversion and 5 to 8 operations, where floats cost
// 32: the float units bound it, at about a quarter of an H100's rate of byte matrices and
// near that of an RTX 4070. Of memory a weight of Q4_K is 0.56 bytes, read once for all
// columns of a tile, and through the caches about 1.5, each pair of chains reading its bytes
// twice; an element of x is 2.5 bytes, not 4.

// Rows of W that an invocation of matvec takes. A card hides the latency of loads by
// many workgroups; a processor gains from rows that share x.
var (
	cardRows     = []uint32{2, 4, 1}
	softwareRows = []uint32{8, 4, 2}
	tiles        = [][2]uint32{{8, 4}, {4, 4}, {4, 2}} // Rows and Cols
	coopTiles    = [][2]uint32{{2, 2}, {4, 2}, {2, 1}, {1, 1}}
)

// Shapes lists the ways a device can run a matmul of n rows of x, the presumably
// best first.
func (k *Kernels) Shapes(info *WeightInfo, n int) (list []Shape) {
	for _, load := range k.loads {
		if load == LoadPlain {
			load = LoadBuffer
		}
		if n > MaxCols {
			list = append(list, k.tiles(info, n, load)...)
		}
		list = append(list, k.matvecs(info, n, load)...)
	}
	return list
}

// tiles lists the tiles that load in a way. A software device has none of floats, which
// are slower there.
func (k *Kernels) tiles(info *WeightInfo, n int, load string) (list []Shape) {
	from, invocations := tiles, tileX*tileX
	if load == LoadCoop {
		from, invocations = coopTiles, coopX*coopX*k.dev.Subgroup
	}
	if k.dev.Software && load == LoadBuffer || load == LoadTexel || k.dev.MaxGroupInvocations < invocations {
		return nil
	}
	for _, t := range from {
		s := Shape{tile + load, t[0], t[1]}
		bm, bn := k.tile(s)
		if k.runs(s.kernel(info.Type)) && k.tileBytes(info.Type, load, bm, bn) <= k.dev.SharedMemory && int(bn)-int(bn)/int(s.Cols) < n {
			list = append(list, s)
		}
	}
	return list
}

// tile is how many rows of W and of x a workgroup of a tiled shape takes.
func (k *Kernels) tile(s Shape) (bm, bn uint32) {
	if m := k.dev.matrix(); s.load() == LoadCoop {
		return coopX * s.Rows * m.M, coopX * s.Cols * m.N
	}
	return tileX * s.Rows, tileX * s.Cols
}

// tileBytes is the shared memory of a tile of bm rows of W and bn of x.
func (k *Kernels) tileBytes(t quant.Type, load string, bm, bn uint32) (bytes int) {
	switch {
	case load == LoadCoop: // two blocks of each, and a matrix a subgroup
		m := k.dev.matrix()
		bytes = int(2*(bm*(48+8)+bn*(80+8)) + coopX*coopX*m.M*m.N*4)
		if t.Halves() && t.Mins() {
			bytes += int(2 * (bm*8 + bn*4))
		}
	case load == LoadDot:
		bytes = int(bm*(9*4+16) + bn*(9*8+8))
		if t.Halves() && t.Mins() {
			bytes += int(bn * 8)
		}
	case wide(t):
		bytes = int(bm*(17+1)+bn*(9+1)) * 16
	default:
		bytes = int(bm*(9+1)+bn*(9+1)) * 16
	}
	_, points := quant.GridOf(t)
	return bytes + 2*len(points)
}

// wide reports whether the sums of a type's integers are made in two halves (WIDE of
// lib/weights.glsl).
func wide(t quant.Type) bool {
	switch t {
	case quant.Q8_0, quant.IQ4_NL, quant.IQ4_XS, quant.IQ2_XXS, quant.IQ3_XXS:
		return true
	}
	return false
}

// matvecs lists the shapes of the matvec that loads in a way.
func (k *Kernels) matvecs(info *WeightInfo, n int, load string) (list []Shape) {
	if !k.runs(matvecOf(info.Type, load)) || load == LoadTexel && info.tail() {
		return nil
	}
	cols := uint32(1)
	for int(cols) < min(n, MaxCols) {
		cols *= 2 // few different pipelines
	}
	rows, most := cardRows, uint32(32) // sums that fit an invocation's registers
	if k.dev.Software {
		rows, most = softwareRows, 64
	}
	for _, r := range rows {
		if r*cols <= most {
			list = append(list, Shape{load, r, cols})
		}
	}
	return list
}

// shapeFor returns the shape of a matmul of n rows of x: the measured one, else
// the presumably best.
func (k *Kernels) shapeFor(info *WeightInfo, n int) (Shape, error) {
	if !shaders.Has("matvec_" + shaders.TypeName(info.Type)) {
		return Shape{}, fmt.Errorf("gpu: no kernel reads weights of type %s", info.Type)
	}
	list := k.Shapes(info, n)
	if len(list) == 0 {
		return Shape{}, fmt.Errorf("gpu: no kernel for weights of type %s works on %s", info.Type, k.dev.Name)
	}
	if k.as != nil && slices.Contains(list, *k.as) {
		return *k.as, nil
	}
	if s := k.tuned[TuneKey(info, n)]; slices.Contains(list, s) {
		return s, nil
	}
	return list[0], nil
}

// chosen reports whether there is a measured shape for a matmul that can be used.
func (k *Kernels) chosen(info *WeightInfo, n int) bool {
	s, ok := k.tuned[TuneKey(info, n)]
	return ok && slices.Contains(k.Shapes(info, n), s)
}

// tail reports whether rows are not whole pieces.
func (i *WeightInfo) tail() bool { return uint32(i.Cols)%pieceOf(i.Type) != 0 }

func (w *lowered) matmul() error {
	m, err := w.product(w.s)
	if err != nil {
		return err
	}
	m.y = write(w.s.Dst)
	if len(w.fused) > 0 { // an Add
		add := w.fused[0]
		other := add.Src[0] + add.Src[1] - w.s.Dst
		m.y, m.add, m.z = write(add.Dst), 1, read(other)
		if w.l.Plan.Tensors[other].Kind == model.Weight {
			m.add, m.z = 2, Bind{Mem: WeightOf, Tensor: other}
		}
	}
	return w.multiply(m)
}

// glu is SwiGLU with the products of gate and up in it.
func (w *lowered) glu() error {
	gate, up := w.fused[0], w.fused[1]
	if gate.Dst != w.s.Src[0] {
		gate, up = up, gate
	}
	m, err := w.product(gate)
	m.y, m.w2 = write(w.s.Dst), up.Src[0]
	if err != nil {
		return err
	}
	return w.multiply(m)
}

// product is what one matmul dispatch computes.
type product struct {
	s     *model.Step // the product; with w2 the first of two
	w, w2 model.ID    // weights; w2: of SwiGLU, else None
	x     model.ID
	y, z  Bind   // z is what is added
	add   uint32 // 1: a row of z to each row of y; 2: the same row to all
	pitch int    // of experts: elements from one expert's row of z to the next's
	experts
}

// noAddend is bound where nothing is added: the binding must be something.
var noAddend = Bind{Mem: Inputs0}

// product describes the product of a step, without what is fused with it.
func (w *lowered) product(s *model.Step) (m product, err error) {
	m = product{s: s, w: s.Src[0], w2: model.None, x: s.Src[1], z: noAddend}
	if s.Op != model.MatMul {
		m.experts = w.l.expertsOf(s)
	}
	if s.Op == model.MatMulExperts && len(s.Src) > 3 {
		bias := w.l.Weight(s.Src[3])
		if bias.Type != quant.F32 || len(bias.Parts) != 1 {
			return m, model.Unsupported(fmt.Errorf("gpu: biases of experts of %d × %d %s in %d parts", bias.Rows, bias.Cols, bias.Type, len(bias.Parts)))
		}
		m.add, m.z, m.pitch = 2, Bind{Mem: WeightOf, Tensor: s.Src[3]}, bias.RowBytes/4
	}
	return m, nil
}

// multiply dispatches a product, one dispatch a part of the weight.
func (w *lowered) multiply(m product) error {
	info := w.l.Weight(m.w)
	s, err := w.k.shapeOf(w.l, m.s)
	if err != nil {
		return err
	}
	for i, part := range info.Parts {
		var d *Dispatch
		if s.Tiled() {
			d = w.tileOf(m, info, part, i, s)
		} else {
			d = w.matvec(m, info, part, i, s)
		}
		d.Beside = i > 0 // its columns are its own
		columns, rows, read := int64(w.rows(w.s.Dst)), int64(part.Rows), part.Bytes
		if m.used > 0 { // of the matrices, those that columns may have
			columns *= int64(m.used)
			rows = int64(part.Rows) * int64(m.out) / int64(info.Rows)
			read = part.Bytes * min(int64(m.n), columns) / int64(m.n)
		}
		d.Bytes = read + columns*(int64(info.Cols)+rows)*4
		d.Flops = 2 * columns * int64(info.Cols) * rows
		if m.w2 != model.None {
			d.Bytes, d.Flops = 2*d.Bytes, 2*d.Flops
		}
	}
	return nil
}

func (w *lowered) tileOf(m product, info *WeightInfo, part Part, no int, s Shape) *Dispatch {
	word, active := count(w.dst)
	bm, bn := w.k.tile(s)
	many, own := boolWord(m.used > 0), boolWord(m.own)
	spec, subgroup := []uint32{tileX * tileX, s.Rows, s.Cols, bm, bn, boolWord(info.tail()), m.add, many, own}, uint32(0)
	if s.load() == LoadCoop {
		c := w.k.dev.matrix()
		subgroup = uint32(w.k.dev.Subgroup)
		spec = []uint32{coopX * coopX * subgroup, s.Rows, s.Cols, coopX, coopX, m.add, c.M, c.N, c.K, many, own}
	}
	d := w.launch(s.kernel(info.Type), spec,
		m.push(info, part, word),
		func(r Run) [3]uint32 {
			if m.used > 0 {
				return [3]uint32{ceilDiv(uint32(m.out), bm), m.tiles(active(r), bn), 1}
			}
			return [3]uint32{ceilDiv(uint32(part.Rows), bm), ceilDiv(active(r), bn), 1}
		},
		m.y, m.z, w.routed(m.experts, s), Bind{Mem: WeightOf, Tensor: m.w, Part: no}, w.rounded(rows{m.x, s.packed(), info.Cols}))
	d.Subgroup = subgroup
	return d
}

func (w *lowered) matvec(m product, info *WeightInfo, part Part, no int, s Shape) *Dispatch {
	word, active := count(w.dst)
	local := max(8, w.k.subgroup()) // a row has up to eight invocations
	first := Bind{Mem: WeightOf, Tensor: m.w, Part: no}
	second, each := first, s.Rows*local/lanesOf(info.Type) // rows of one weight
	if m.w2 != model.None {
		second.Tensor, each = m.w2, each/2
	}
	groups := ceilDiv(uint32(part.Rows), each)
	if m.used > 0 {
		groups = ceilDiv(uint32(m.out), each)
	}
	x := min(groups, 32768)
	return w.launch(s.kernel(info.Type),
		[]uint32{local, s.Rows, s.Cols, boolWord(info.tail()), m.add, boolWord(m.w2 != model.None), boolWord(m.used > 0), boolWord(m.own)},
		m.push(info, part, word),
		func(r Run) [3]uint32 {
			columns := ceilDiv(active(r), s.Cols)
			if m.used > 0 {
				columns = m.tiles(active(r), s.Cols)
			}
			return [3]uint32{x, ceilDiv(groups, x), columns}
		},
		m.y, m.z, w.routed(m.experts, s), first, second, w.rounded(rows{m.x, s.packed(), info.Cols}))
}

// lanesOf is how many invocations of matvec share a row of a weight (LANES).
func lanesOf(t quant.Type) uint32 {
	switch t {
	case quant.Q4_K, quant.Q5_K, quant.Q6_K: // GROUPS is 2
		return 4
	}
	return 8
}

// round dispatches the rounding of rows, from one place to another or in place.
func (w *lowered) round(x rows, to Bind) error {
	if err := w.k.works("round"); err != nil {
		return err
	}
	t := w.l.Plan.Tensors[x.x]
	local, cols, times := w.k.local(), uint32(t.Cols), uint32(1)
	if x.cols%32 != 0 { // else the blocks of its parts are those of the whole row
		cols, times = uint32(x.cols), uint32(t.Cols/x.cols)
	}
	if n := w.rows(x.x) * int(times); n > mostGroups {
		return fmt.Errorf("gpu: %d rows of %d elements to round at once, %d are the most: %w", n, cols, mostGroups, model.ErrNoMemory)
	}
	word, rows := count(t)
	to.Write = true
	w.launch("round", []uint32{local, boolWord(cols%4 != 0), boolWord(x.packed)}, []uint32{cols, word, times},
		func(r Run) [3]uint32 { return [3]uint32{ceilDiv(ceilDiv(cols, 32), local), rows(r) * times, 1} }, to, read(x.x))
	return nil
}

// push is the push block that matvec and matmul share.
func (m *product) push(i *WeightInfo, part Part, word uint32) []uint32 {
	out := i.Rows
	if m.used > 0 {
		out = m.out
	}
	return []uint32{uint32(i.Cols), uint32(out), uint32(part.First), uint32(part.Rows), uint32(i.RowBytes / 16), word,
		uint32(m.stack), uint32(m.skip), uint32(m.used), uint32(m.pitch)}
}

// TuneKey names what a measured shape is for: type, sizes, and the class of rows.
func TuneKey(info *WeightInfo, n int) string {
	class := n
	switch {
	case n > 64:
		class = 512
	case n > MaxCols:
		class = 64
	}
	return fmt.Sprintf("%s %d×%d %d", info.Type, info.Rows, info.Cols, class)
}
