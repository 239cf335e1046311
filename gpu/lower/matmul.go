package lower

import (
	"fmt"
	"slices"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/shaders"
)

// chunkOf returns how many elements of a weight's row a kernel decodes at once
// (CHUNK of the type's include).
func chunkOf(t quant.Type) uint32 {
	switch t {
	case quant.F32:
		return 4
	case quant.F16, quant.BF16:
		return 8
	}
	return 32
}

// Shape is how a matmul kernel is cut: its specialization constants 2 and up.
type Shape struct {
	Load string // suffix of matvec; tile for the kernel that goes through shared memory
	Rows uint32 // matvec: rows of W a workgroup; tile: of an invocation
	Cols uint32 // the same of x
	Wide uint32 // matvec: subgroups a workgroup, which share a row; 0 with plain
}

const tile = "tile"

// maxCols is the most rows of x that matvec takes at once.
const maxCols = 8

// tileX is how many invocations of a tile's workgroup lie along W, and along x.
const tileX = 16

// Cuts of matvec: rows of W and subgroups a workgroup. A card hides the latency of
// loads by many workgroups, and a short weight needs several subgroups a row to
// fill it; a processor gains from rows that share x.
type cut struct{ rows, wide uint32 }

var (
	cardCuts     = []cut{{2, 1}, {4, 1}, {1, 1}, {2, 4}, {1, 4}}
	softwareCuts = []cut{{8, 1}, {4, 1}, {2, 1}}
	plainCuts    = []cut{{2, 0}, {4, 0}}
	tiles        = []Shape{{tile, 8, 4, 0}, {tile, 4, 4, 0}, {tile, 4, 2, 0}}
)

// Shapes lists the ways a device can run a matmul of n rows of x, the presumably
// best first.
func (k *Kernels) Shapes(info *WeightInfo, n int) []Shape {
	name, tail := shaders.TypeName(info.Type), info.tail()
	cols := uint32(1)
	for int(cols) < min(n, maxCols) {
		cols *= 2 // few different pipelines
	}
	software := k.dev.Software
	var list []Shape
	if n > maxCols && !software && !k.off["matmul_"+name] && k.dev.MaxGroupInvocations >= tileX*tileX {
		for _, s := range tiles {
			if tileX*int(s.Rows+s.Cols)*9*16 <= k.dev.SharedMemory && int(s.Cols-1)*tileX < n {
				list = append(list, s)
			}
		}
	}
	for _, load := range k.loads {
		if k.off["matvec_"+name+load] || load == LoadTexel && tail {
			continue
		}
		if load == LoadPlain && len(list) > 0 {
			break // never the faster
		}
		cuts, most := cardCuts, uint32(32) // sums that fit an invocation's registers
		switch {
		case software && load != LoadPlain:
			cuts, most = softwareCuts, 64
		case load == LoadPlain:
			cuts = plainCuts
		}
		for _, c := range cuts {
			if c.rows*cols <= most {
				list = append(list, Shape{load, c.rows, cols, c.wide})
			}
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

// tail reports whether rows are not whole chunks.
func (i *WeightInfo) tail() bool { return uint32(i.Cols)%chunkOf(i.Type) != 0 }

func (w *lowered) matmul() error {
	m := product{w: w.s.Src[0], w2: model.None, x: read(w.s.Src[1]), y: write(w.s.Dst), z: noAddend}
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

// glu is SwiGLU with the matmuls of gate and up in it.
func (w *lowered) glu() error {
	gate, up := w.fused[0], w.fused[1]
	if gate.Dst != w.s.Src[0] {
		gate, up = up, gate
	}
	return w.multiply(product{w: gate.Src[0], w2: up.Src[0], x: read(gate.Src[1]), y: write(w.s.Dst), z: noAddend})
}

// product is what one matmul dispatch computes.
type product struct {
	w, w2   model.ID // weights; w2: of SwiGLU, else None
	x, y, z Bind     // z is what is added
	add     uint32   // 1: a row of z to each row of y; 2: the same row to all
}

// noAddend is bound where nothing is added: the binding must be something.
var noAddend = Bind{Mem: Inputs0}

// multiply dispatches a product, one dispatch a part of the weight.
func (w *lowered) multiply(m product) error {
	info := w.l.Weight(m.w)
	s, err := w.k.shapeFor(info, w.rows(w.s.Dst))
	if err != nil {
		return err
	}
	for i, part := range info.Parts {
		var d *Dispatch
		if s.Load == tile {
			d = w.tile(m, info, part, i, s)
		} else {
			d = w.matvec(m, info, part, i, s)
		}
		d.Beside = i > 0 // its columns are its own
		d.Bytes = part.Bytes + int64(w.rows(w.s.Dst))*int64(info.Cols+part.Rows)*4
		d.Flops = 2 * int64(w.rows(w.s.Dst)) * int64(info.Cols) * int64(part.Rows)
		if m.w2 != model.None {
			d.Bytes, d.Flops = 2*d.Bytes, 2*d.Flops
		}
	}
	return nil
}

func (w *lowered) tile(m product, info *WeightInfo, part Part, no int, s Shape) *Dispatch {
	word, active := count(w.dst)
	bm, bn := s.Rows*tileX, s.Cols*tileX
	return w.launch("matmul_"+shaders.TypeName(info.Type),
		[]uint32{tileX * tileX, 0, s.Rows, s.Cols, bm, bn, boolWord(info.tail()), m.add},
		info.push(part, word),
		func(r Run) [3]uint32 { return [3]uint32{ceilDiv(uint32(part.Rows), bm), ceilDiv(active(r), bn), 1} },
		m.y, m.z, Bind{Mem: WeightOf, Tensor: m.w, Part: no}, m.x)
}

func (w *lowered) matvec(m product, info *WeightInfo, part Part, no int, s Shape) *Dispatch {
	word, active := count(w.dst)
	local, subgroups, size := w.k.reduced(s.Load, s.Wide)
	first := Bind{Mem: WeightOf, Tensor: m.w, Part: no}
	second, each := first, s.Rows // rows of one weight
	if m.w2 != model.None {
		second.Tensor, each = m.w2, s.Rows/2
	}
	groups := ceilDiv(uint32(part.Rows), each)
	x := min(groups, 32768)
	d := w.launch("matvec_"+shaders.TypeName(info.Type)+s.Load,
		[]uint32{local, subgroups, s.Rows, s.Cols, boolWord(info.tail()), m.add, boolWord(m.w2 != model.None)},
		info.push(part, word),
		func(r Run) [3]uint32 { return [3]uint32{x, ceilDiv(groups, x), ceilDiv(active(r), s.Cols)} },
		m.y, m.z, first, second, m.x)
	d.Subgroup = size
	return d
}

// push is the push block that matvec and matmul share.
func (i *WeightInfo) push(part Part, word uint32) []uint32 {
	return []uint32{uint32(i.Cols), uint32(i.Rows), uint32(part.First), uint32(part.Rows), uint32(i.RowBytes / 16), word}
}

// TuneKey names what a measured shape is for: type, sizes, and the class of rows.
func TuneKey(info *WeightInfo, n int) string {
	class := n
	switch {
	case n > 64:
		class = 512
	case n > maxCols:
		class = 64
	}
	return fmt.Sprintf("%s %d×%d %d", info.Type, info.Rows, info.Cols, class)
}
