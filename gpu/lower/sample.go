package lower

import (
	"eclat/model/sample"
)

// maxCandidates is the largest top-k that sample_pick ranks (its MOST).
const maxCandidates = 256

// SampledHere reports whether the device can sample a row of vocab logits in this
// way. For the others, a top-k of 0 or of thousands over a large vocabulary, the
// answer of the device means nothing and the host samples from the logits.
func SampledHere(how sample.Params, vocab int) bool {
	k := int(how.TopK)
	if k <= 0 {
		k = vocab
	}
	return !(how.Temp > 0) || min(k, vocab) <= maxCandidates
}

func (w *lowered) sample() error {
	for _, kernel := range []string{"sample_best", "sample_pick"} {
		if err := w.k.works(kernel); err != nil {
			return err
		}
	}
	x := w.src(0)
	stripes, local := uint32(4096), uint32(128) // of a row; an invocation looks through each
	if w.k.dev.Software {
		stripes, local = 1024, 64
	}
	n := min(stripes, uint32(x.Cols))
	best := Bind{Mem: Scratch, Size: (int64(w.rows(w.s.Src[0]))*int64(n)*8 + 255) &^ 255, Write: true}
	w.launch("sample_best", []uint32{local}, []uint32{uint32(x.Cols), n},
		perRow(x, ceilDiv(n, local)), best, read(w.s.Src[0]))
	w.launch("sample_pick", []uint32{local}, []uint32{uint32(x.Cols), n, w.l.In.Sampling},
		func(r Run) [3]uint32 { return [3]uint32{uint32(r.Want), 1, 1} },
		Bind{Mem: Tokens0, Write: true}, best, read(w.s.Src[0]))
	return nil
}
