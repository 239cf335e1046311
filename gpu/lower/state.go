package lower

import (
	"fmt"
	"math"

	"eclat/loader/quant"
	"eclat/model"
)

func (w *lowered) deltaRule() error {
	nHeadK, dimK := w.s.Arg[1], w.s.Arg[2]
	return w.state(true, w.s.Arg[5] == 1, 0, nHeadK*dimK, 2*nHeadK*dimK, w.s.Arg[4], read(w.s.Src[3]))
}

func (w *lowered) scan() error {
	nHead, nHeadK, dimK, dimV := w.s.Arg[0], w.s.Arg[1], w.s.Arg[2], w.s.Arg[3]
	skip, err := w.floats(w.s.Src[3])
	if err != nil {
		return err
	}
	return w.state(false, false, nHead*dimV+nHeadK*dimK, nHead*dimV, 0, FloatWord(1), skip)
}

// state dispatches DeltaRule or Scan: an invocation a column of a head's state. q, k and v
// are where they begin in a row of source 0; other is the betas or the skips.
func (w *lowered) state(delta, cyclic bool, q, k, v, scale uint32, other Bind) error {
	if err := w.k.works("state"); err != nil {
		return err
	}
	nHead, nHeadK, dimK, dimV := w.s.Arg[0], w.s.Arg[1], w.s.Arg[2], w.s.Arg[3]
	kept := w.s.Src[4]
	if t := w.src(4); !w.wide(kept) || int64(t.Rows)*int64(t.Cols) > math.MaxUint32 {
		return model.Unsupported(fmt.Errorf("gpu: %d states of %d %s", t.Rows, t.Cols, t.Type))
	}
	decay, err := w.floats(w.s.Src[2])
	if err != nil {
		return err
	}
	local := w.k.local()
	groups := ceilDiv(nHead*dimV, local)
	w.launch("state", []uint32{local, boolWord(delta), boolWord(cyclic), boolWord(dimK%4 != 0)},
		[]uint32{nHead, nHeadK, dimK, dimV, uint32(w.src(0).Cols), q, k, v, scale, w.table(kept)},
		func(r Run) [3]uint32 { return [3]uint32{groups, uint32(r.Seqs), 1} },
		write(w.s.Dst), Bind{Mem: KeptIn, Tensor: kept, Write: true}, read(w.s.Src[0]), read(w.s.Src[1]), decay, other)
	return nil
}

// floats binds a weight of float32 of one row.
func (w *lowered) floats(id model.ID) (Bind, error) {
	if info := w.l.Weight(id); info.Type != quant.F32 || len(info.Parts) != 1 {
		return Bind{}, model.Unsupported(fmt.Errorf("gpu: %s is %s in %d parts", w.l.Plan.Tensors[id].Name, info.Type, len(info.Parts)))
	}
	return Bind{Mem: WeightOf, Tensor: id}, nil
}

func (w *lowered) l2norm() error {
	if err := w.k.works("rmsnorm"); err != nil {
		return err
	}
	w.norm("rmsnorm", w.s.Arg[1], w.s.Arg[2], 1, NormUnit, nil, read(w.s.Src[0]))
	return nil
}

func (w *lowered) slice() error {
	if err := w.k.works("slice"); err != nil {
		return err
	}
	local, cols := w.k.local(), uint32(w.dst.Cols)
	word, _ := count(w.dst)
	w.launch("slice", []uint32{local}, []uint32{cols, uint32(w.src(0).Cols), w.s.Arg[0], w.s.Arg[1], w.s.Arg[2], word},
		perRow(w.dst, ceilDiv(cols, local)), write(w.s.Dst), read(w.s.Src[0]))
	return nil
}

func (w *lowered) join() error {
	if err := w.k.works("join"); err != nil {
		return err
	}
	local, cols, heads := w.k.local(), uint32(w.dst.Cols), w.s.Arg[0]
	x, y := uint32(w.src(0).Cols), uint32(w.src(1).Cols)
	word, _ := count(w.dst)
	w.launch("join", []uint32{local}, []uint32{cols, x, y, x / heads, (cols - x) / heads, word},
		perRow(w.dst, ceilDiv(cols, local)), write(w.s.Dst), read(w.s.Src[0]), read(w.s.Src[1]))
	return nil
}
