package lower

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
)

// Where there are few tokens, each span of a context has a workgroup of its own, and
// attention_reduce merges what they leave.
const (
	splitTokens = 16       // from here on the tokens keep the device busy
	mostPart    = 64 << 20 // bytes that the spans may leave; more are merged at once
)

// kept are the types of memory as lib/kept.glsl numbers them.
var kept = map[quant.Type]uint32{quant.F16: 0, quant.F32: 1, quant.Q8_0: 2, quant.Q4_0: 3}

func (w *lowered) attention() error {
	heads, kv, dimK, dimV, window := w.s.Arg[0], w.s.Arg[1], w.s.Arg[2], w.s.Arg[3], w.s.Arg[5]
	typeK, typeV := w.src(1).Type, w.src(2).Type
	latent := w.s.Src[1] == w.s.Src[2]
	strideV := dimV // of the values, a head's elements in memory
	if latent {
		strideV = dimK
	}
	if kv*dimK%2 != 0 && typeK == quant.F16 || kv*strideV%2 != 0 && typeV == quant.F16 {
		return model.Unsupported(fmt.Errorf("gpu: rows of %d and %d halves in memory are not whole words", kv*dimK, kv*strideV))
	}
	tail := dimK%8 != 0 || dimV%8 != 0
	load, err := w.k.load("attention", func(load string) bool { return load != LoadTexel || !tail })
	if err != nil {
		return err
	}
	if err := w.k.works("attention_reduce"); err != nil {
		return err
	}
	local, subgroups, size := w.k.reduced(load, 4)
	together := heads / kv                    // heads a workgroup takes, of those that share a key head
	most := max(1, 1024/max(dimK, dimV, 128)) // rows whose queries and weights fit 16 KiB of shared memory
	for together > most || heads/kv%together != 0 {
		together--
	}

	seen := w.l.seen(w.src(1).Pool) // positions, at most
	if window > 0 {
		seen = min(seen, int(window))
	}
	spans := ceilDiv(uint32(seen), numerics.Span) // of a token
	if window > 0 {
		spans = ceilDiv(uint32(seen)-1, numerics.Span) + 1 // a window may begin anywhere
	}
	tokens := w.rows(w.s.Dst)
	part := Bind{Mem: Scratch, Size: (int64(tokens)*int64(heads)*int64(spans)*int64(dimV+2)*4 + 255) &^ 255, Write: true}
	split := tokens < splitTokens && spans > 1 && part.Size <= mostPart
	if !split {
		spans, part.Size = 0, 256
	}
	batch := uint32(1) // neighbouring tokens a workgroup takes
	if tokens >= splitTokens && !w.k.dev.Software {
		if w.k.dev.SharedMemory >= 32<<10 {
			most *= 2 // keys and values are read half as often
		}
		batch = max(1, most/together)
	}
	keys := uint32(1) // positions of an invocation: a page for a workgroup, at least
	if load == LoadTexel {
		keys = max(1, model.PageLen/local)
	}
	number := func(r Run) uint32 { return max(1, min(spans, ceilDiv(uint32(r.Len), numerics.Span))) }

	if w.s.Arg[7] != 0 {
		window |= 1 << 31 // lib/window.glsl: a chunk
	}
	cap := w.s.ArgFloat(6)
	scale := FloatWord(numerics.ScoreScale(w.s.ArgFloat(4)))
	if cap != 0 {
		scale = FloatWord(numerics.CapScale(w.s.ArgFloat(4), cap))
	}
	sunk, sinks := len(w.s.Src) > 3, read(w.s.Src[0]) // none: anything
	if sunk {
		sinks = Bind{Mem: WeightOf, Tensor: w.s.Src[3]}
	}
	round, pack := w.k.rounds(w.l, w.s.Dst)
	d := w.launch("attention"+load,
		[]uint32{local, subgroups, together, batch, dimK, dimV, boolWord(tail), keys, kept[typeK], kept[typeV], boolWord(round), boolWord(pack), boolWord(cap != 0), boolWord(sunk), boolWord(latent)},
		[]uint32{heads, kv, scale, spans, w.l.In.Pos, w.table(w.s.Src[1]), window, FloatWord(numerics.ScoreScale(cap))},
		func(r Run) [3]uint32 { return [3]uint32{ceilDiv(uint32(r.Tokens), batch), number(r), heads / together} },
		write(w.s.Dst), part, sinks, read(w.s.Src[0]), Bind{Mem: KeptIn, Tensor: w.s.Src[1]}, Bind{Mem: KeptIn, Tensor: w.s.Src[2]})
	d.Subgroup = size
	longest := int64(seen)
	rowK, _ := typeK.RowBytes(uint64(kv * dimK))
	rowV, _ := typeV.RowBytes(uint64(kv * dimV))
	d.Bytes = int64(ceilDiv(uint32(tokens), batch)) * longest * int64(rowK+rowV)
	d.Flops = 2 * int64(tokens) * longest * int64(heads*(dimK+dimV))
	if !split {
		return nil
	}
	part.Write = false
	w.launch("attention_reduce",
		[]uint32{w.k.local(), 0, 0, 0, 0, dimV, 0, 0, 0, 0, boolWord(round), boolWord(pack), 0, boolWord(sunk)},
		[]uint32{heads, spans, w.l.In.Pos, window},
		func(r Run) [3]uint32 {
			if number(r) == 1 {
				return [3]uint32{} // attention wrote the answer
			}
			return [3]uint32{heads, uint32(r.Tokens), 1}
		},
		write(w.s.Dst), part, sinks)
	return nil
}
