package lower

import (
	"fmt"

	"eclat/model"
)

// A context is split over workgroups where there are few tokens: into at most
// mostSplits ranges of at least leastSplit positions.
const (
	mostSplits  = 64
	splitTokens = 16 // from here on the tokens keep the device busy
)

func (w *lowered) attention() error {
	heads, kv, dimK, dimV, window := w.s.Arg[0], w.s.Arg[1], w.s.Arg[2], w.s.Arg[3], w.s.Arg[5]
	wideK, wideV := w.wide(w.s.Src[1]), w.wide(w.s.Src[2])
	if kv*dimK%2 != 0 && !wideK || kv*dimV%2 != 0 && !wideV {
		return model.Unsupported(fmt.Errorf("gpu: rows of %d and %d halves in memory are not whole words", kv*dimK, kv*dimV))
	}
	tail := dimK%8 != 0 || dimV%8 != 0
	load, err := w.k.load("attention", func(load string) bool { return load != LoadTexel || !tail })
	if err != nil {
		return err
	}
	if err := w.k.works("attention_reduce"); err != nil {
		return err
	}
	local, subgroups, size := w.k.reduced(load, 1)
	together := heads / kv // heads a workgroup takes, of those that share a key head
	for most := max(1, 1024/max(dimV, 128)); together > most || heads/kv%together != 0; {
		together--
	}

	seen := w.l.seen(w.src(1).Pool) // positions, at most
	if window > 0 {
		seen = min(seen, int(window))
	}
	tokens, split := w.rows(w.s.Dst), uint32(128)
	if w.k.dev.Software {
		split = 512 // two or four cores
	}
	splits := min(mostSplits, ceilDiv(uint32(seen), split))
	part := Bind{Mem: Scratch, Size: 256, Write: true}
	if tokens >= splitTokens || splits == 1 {
		split, splits = 1<<30, 1
	} else {
		part.Size = (int64(tokens)*int64(heads)*int64(splits)*int64(dimV+2)*4 + 255) &^ 255
	}
	batch := uint32(1) // neighbouring tokens a workgroup takes
	if tokens >= splitTokens && !w.k.dev.Software {
		batch = max(1, 8/together)
	}
	keys := uint32(1) // positions of an invocation: a page for a workgroup, at least
	if load == LoadTexel {
		keys = max(1, model.PageLen/local)
	}
	number := func(r Run) uint32 { return min(splits, ceilDiv(uint32(min(r.Len, seen)), split)) }

	d := w.launch("attention"+load,
		[]uint32{local, subgroups, together, batch, dimK, dimV, boolWord(tail), keys, boolWord(wideK), boolWord(wideV)},
		[]uint32{heads, kv, w.s.Arg[4], split, splits, w.l.In.Pos, w.table(w.s.Src[1]), window},
		func(r Run) [3]uint32 { return [3]uint32{ceilDiv(uint32(r.Tokens), batch), number(r), heads / together} },
		write(w.s.Dst), part, read(w.s.Src[0]), Bind{Mem: KeptIn, Tensor: w.s.Src[1]}, Bind{Mem: KeptIn, Tensor: w.s.Src[2]})
	d.Subgroup = size
	longest := int64(seen)
	d.Bytes = int64(ceilDiv(uint32(tokens), batch)) * longest * int64(kv*(dimK+dimV)) * 2
	d.Flops = 2 * int64(tokens) * longest * int64(heads*(dimK+dimV))
	if splits == 1 {
		return nil
	}
	part.Write = false
	w.launch("attention_reduce",
		[]uint32{w.k.local(), 0, 0, 0, 0, dimV},
		[]uint32{heads, split, splits, w.l.In.Pos, window},
		func(r Run) [3]uint32 {
			if number(r) == 1 {
				return [3]uint32{} // attention wrote the answer
			}
			return [3]uint32{heads, uint32(r.Tokens), 1}
		},
		write(w.s.Dst), part)
	return nil
}
