package gpu

import (
	"fmt"
	"unsafe"

	"eclat/gpu/lower"
	"eclat/model"
	"eclat/model/numerics"
	"eclat/model/sample"
)

// write fills the inputs buffer for one run; the batch has been checked. The memory
// may be write-combined: it is written in order and never read.
func (p *program) write(in *model.Batch) error {
	w, at, axes := p.inputs.Words(), &p.In, p.plan.Axes
	n := len(in.Pos) / axes
	w[0], w[1], w[2] = uint32(n), uint32(len(in.Want)), uint32(len(in.Seqs))
	copyInts(w[at.Tokens:], in.Tokens)
	for i := range n {
		w[int(at.Pos)+i] = uint32(in.Pos[i*axes])
	}
	copyInts(w[at.Want:], in.Want)
	run, err := p.writeSeqs(w, in)
	if err != nil {
		return err
	}
	for t := range p.plan.Ropes {
		p.writeTurns(w[at.Turns[t]:], &p.plan.Ropes[t], in.Pos)
	}
	if p.plan.Samples() {
		for r, how := range in.How {
			writeSampling(w[int(at.Sampling)+r*lower.SampleWords:], how, in.Pos[int(in.Want[r])*axes])
		}
	}
	if len(in.Rows) > 0 {
		p.writeRows(in)
	}
	run.Tokens, run.Want, run.Seqs = n, len(in.Want), len(in.Seqs)
	for i, size := range p.Indirect {
		g := size(run)
		copy(w[int(at.Indirect)+4*i:], g[:])
	}
	return nil
}

// writeRows writes the rows that come with a batch: all of a stage that takes rows,
// else those of the tokens without id, each at its token's place.
func (p *program) writeRows(in *model.Batch) {
	out, width, row := p.inputs.Floats()[p.In.Rows:], p.plan.Width(), 0
	if p.plan.Hidden != model.None {
		copy(out, in.Rows)
		return
	}
	for i, id := range in.Tokens {
		if id < 0 {
			copy(out[i*width:][:width], in.Rows[row*width:])
			row++
		}
	}
}

// writeSeqs writes whose the tokens are, the slots, and the block tables: of each
// only what the sequence's tokens see. It returns the lengths in a run.
func (p *program) writeSeqs(w []uint32, in *model.Batch) (r lower.Run, err error) {
	at, axes := &p.In, p.plan.Axes
	next, end := int(at.Pages), int(at.Pages)+at.TableWords
	token := 0
	var before [maxPools]uint32 // the table of the sequence before, by pool
	for s := range in.Seqs {
		run := &in.Seqs[s]
		first := int(in.Pos[token*axes])
		r.Most, r.Len = max(r.Most, run.N), max(r.Len, first+run.N)
		for pool := range p.plan.Pools {
			pl := &p.plan.Pools[pool]
			units := run.Units[pool]
			if pl.Per == model.Sequence {
				own := w[int(at.Table[pool])+lower.RunWords*s:]
				own[0], own[1], own[2], own[3] = uint32(token), uint32(run.N), uint32(units[0]), uint32(first)
				continue
			}
			from := pl.FirstSeen(first) / model.PageLen
			units = units[from:model.Pages(first+run.N)]
			// Neighbours are told apart by where their tables begin.
			table := uint32(next - from)
			if s > 0 && table == before[pool] {
				next++
				table++
			}
			if next+len(units) > end {
				return r, fmt.Errorf("gpu: the block tables of %d sequences are more than %d words; run fewer at once: %w", len(in.Seqs), at.TableWords, model.ErrNoMemory)
			}
			copyInts(w[next:], units)
			next += len(units)
			before[pool] = table
			for i := range run.N {
				w[int(at.Table[pool])+token+i] = table
			}
		}
		token += run.N
	}
	return r, nil
}

// maxPools bounds the pools of a plan: kinds of memory are few.
const maxPools = 16

// writeTurns writes the cosines and sines of a rope for all tokens.
func (p *program) writeTurns(w []uint32, r *model.Rope, pos []int32) {
	axes, pairs := p.plan.Axes, len(r.Freq)
	for i := range len(pos) / axes {
		out, own := w[2*i*pairs:][:2*pairs], pos[i*axes:][:axes]
		scale := r.ScaleAt(own[0])
		for j, freq := range r.Freq {
			axis := 0
			if r.Axis != nil {
				axis = int(r.Axis[j])
			}
			cos, sin := numerics.Turn(own[axis], freq, scale)
			out[2*j], out[2*j+1] = lower.FloatWord(cos), lower.FloatWord(sin)
		}
	}
}

func writeSampling(w []uint32, how sample.Params, pos int32) {
	w[lower.SampleFactor] = lower.FloatWord(-1)
	if how.Temp > 0 {
		w[lower.SampleFactor] = lower.FloatWord(how.Factor())
	}
	w[lower.SampleTopK] = uint32(max(0, how.TopK))
	w[lower.SampleTopP] = lower.FloatWord(how.TopP)
	w[lower.SampleLeast] = lower.FloatWord(how.Least())
	w[lower.SampleSeed0], w[lower.SampleSeed1] = uint32(how.Seed), uint32(how.Seed>>32)
	w[lower.SamplePos] = uint32(pos)
}

// copyInts copies numbers to words.
func copyInts(dst []uint32, src []int32) {
	if len(src) > 0 {
		copy(dst, unsafe.Slice((*uint32)(unsafe.Pointer(&src[0])), len(src)))
	}
}
