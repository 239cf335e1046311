package gpu

import (
	"fmt"

	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/shaders"
)

// chunkOf returns how many elements of a weight's row a kernel decodes at once
// (CHUNK of the type's include).
func chunkOf(t loader.Type) uint32 {
	switch t {
	case loader.F32:
		return 4
	case loader.F16, loader.BF16:
		return 8
	}
	return 32
}

// shape is how a matmul kernel is cut: its specialization constants 2 and up.
type shape struct {
	load string // suffix of matvec; tile for the kernel that goes through shared memory
	rows uint32 // matvec: rows of W a workgroup; tile: of an invocation
	cols uint32 // the same of x
}

const tile = "tile"

// maxCols is the most rows of x that matvec takes at once.
const maxCols = 8

// tileX is how many invocations of a tile's workgroup lie along W, and along x.
const tileX = 16

// shapes lists the ways a device can run a matmul of n rows of x, the presumably
// best first.
func (k *Kernels) shapes(t loader.Type, n int, tail bool) []shape {
	name := shaders.TypeName(t)
	cols := uint32(1)
	for int(cols) < min(n, maxCols) {
		cols *= 2 // few different pipelines
	}
	software := k.info.Type == vk.Software
	var list []shape
	if l := k.info.Limits; n > maxCols && !software && !k.off["matmul_"+name] && l.MaxGroupInvocations >= tileX*tileX {
		for _, s := range []shape{{tile, 8, 4}, {tile, 4, 4}, {tile, 4, 2}} {
			if tileX*int(s.rows+s.cols)*9*16 <= l.SharedMemory && int(s.cols-1)*tileX < n {
				list = append(list, s)
			}
		}
	}
	for _, load := range k.loads {
		if k.off["matvec_"+name+load] || load == loadTexel && tail {
			continue
		}
		rows := []uint32{2, 4, 1, 8}
		if software {
			rows = []uint32{8, 4, 2}
			if cols > 1 {
				rows = []uint32{4, 2}
			}
		}
		for _, r := range rows {
			if r*cols <= 32 {
				list = append(list, shape{load, r, cols})
			}
		}
	}
	return list
}

func (w *lowered) matmul() error {
	info := w.l.Weight(w.s.Src[0])
	if !shaders.Has("matvec_" + shaders.TypeName(info.Type)) {
		return fmt.Errorf("gpu: no kernel reads weights of type %s", info.Type)
	}
	tail := uint32(info.Cols)%chunkOf(info.Type) != 0
	list := w.k.shapes(info.Type, w.dst.Rows, tail)
	if len(list) == 0 {
		return fmt.Errorf("gpu: no kernel for weights of type %s works on %s", info.Type, w.k.info.Name)
	}
	best := list[0]
	if i, ok := w.k.tuned[tuneKey(info, w.dst.Rows)]; ok && i < len(list) {
		best = list[i]
	}
	for i, part := range info.Parts {
		d := w.multiply(info, part, i, best, tail)
		d.Beside = i > 0 // its columns are its own
		d.Bytes = part.Bytes + int64(w.dst.Rows)*int64(info.Cols+part.Rows)*4
		d.Flops = 2 * int64(w.dst.Rows) * int64(info.Cols) * int64(part.Rows)
	}
	return nil
}

// multiply dispatches one part of a weight in the given shape.
func (w *lowered) multiply(info *WeightInfo, part Part, no int, s shape, tail bool) *Dispatch {
	word, active := count(w.dst)
	push := []uint32{uint32(info.Cols), uint32(info.Rows), uint32(part.First), uint32(part.Rows), uint32(info.RowBytes / 16), word}
	binds := []Bind{write(w.s.Dst), {Mem: WeightOf, Tensor: w.s.Src[0], Part: no}, read(w.s.Src[1])}
	name := shaders.TypeName(info.Type)
	if s.load == tile {
		bm, bn := s.rows*tileX, s.cols*tileX
		return w.add("matmul_"+name,
			[]uint32{tileX * tileX, 0, s.rows, s.cols, bm, bn, boolWord(tail)}, push,
			func(r Run) [3]uint32 { return [3]uint32{ceilDiv(uint32(part.Rows), bm), ceilDiv(active(r), bn), 1} },
			binds...)
	}
	local, subgroups, size := w.k.reduced(s.load, 1)
	groups := ceilDiv(uint32(part.Rows), s.rows)
	x := min(groups, 32768)
	d := w.add("matvec_"+name+s.load,
		[]uint32{local, subgroups, s.rows, s.cols, boolWord(tail)}, push,
		func(r Run) [3]uint32 { return [3]uint32{x, ceilDiv(groups, x), ceilDiv(active(r), s.cols)} },
		binds...)
	d.Subgroup = size
	return d
}

// tuneKey names what a measured shape is for: type, sizes, and the class of rows.
func tuneKey(info *WeightInfo, n int) string {
	class := n
	switch {
	case n > 64:
		class = 512
	case n > maxCols:
		class = 64
	}
	return fmt.Sprintf("%s %d×%d %d", info.Type, info.Rows, info.Cols, class)
}
