package lower

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
)

// convStretch is how many tokens of a run an invocation of conv takes, at least.
const convStretch = 16

func (w *lowered) conv() error {
	if err := w.k.works("conv"); err != nil {
		return err
	}
	info, state := w.l.Weight(w.s.Src[1]), w.s.Src[2]
	cols, taps := w.dst.Cols, info.Cols
	switch {
	case info.Type != quant.F32 || len(info.Parts) != 1 || info.Rows != cols || taps < 2:
		return model.Unsupported(fmt.Errorf("gpu: a filter of %d × %d %s in %d parts", info.Rows, taps, info.Type, len(info.Parts)))
	case !w.wide(state) || w.src(2).Cols != (taps-1)*cols:
		return model.Unsupported(fmt.Errorf("gpu: a state of %d %s for %d channels of %d taps", w.src(2).Cols, w.src(2).Type, cols, taps))
	}
	local, stretch := w.k.local(), uint32(max(convStretch, taps-1))
	groups := ceilDiv(uint32(cols), local)
	bias := Bind{Mem: WeightOf, Tensor: w.s.Src[1]}
	if len(w.s.Src) > 3 {
		var err error
		if bias, err = w.floats(w.s.Src[3]); err != nil {
			return err
		}
	}
	w.launch("conv", []uint32{local, boolWord(len(w.s.Src) > 3), w.s.Arg[0]},
		[]uint32{uint32(cols), uint32(taps), uint32(info.RowBytes / 4), stretch, w.table(state)},
		func(r Run) [3]uint32 { return [3]uint32{groups, uint32(r.Seqs), ceilDiv(uint32(r.Most), stretch)} },
		write(w.s.Dst), Bind{Mem: KeptIn, Tensor: state, Write: true}, read(w.s.Src[0]), Bind{Mem: WeightOf, Tensor: w.s.Src[1]}, bias)
	return nil
}
