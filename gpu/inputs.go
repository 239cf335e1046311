package gpu

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"eclat/gpu/vk"
	"eclat/model"
)

// write fills the inputs buffer for one run; its inputs have been checked. The
// memory may be write-combined: it is written in order and never read.
func (p *program) write(in *model.Inputs) error {
	w, at := p.inputs.Words(), &p.in
	n := len(in.Pos)
	w[0], w[1] = uint32(n), uint32(len(in.Want))
	copyInts(w[at.Tokens:], in.Tokens)
	copyInts(w[at.Pos:], in.Pos)
	copyInts(w[at.Want:], in.Want)

	// Only the tables of sequences that the tokens are of, one after the other.
	if cap(p.bySeq) < len(in.Pages) {
		p.bySeq = make([]uint32, len(in.Pages))
	}
	p.bySeq = p.bySeq[:len(in.Pages)]
	clear(p.bySeq)
	next, room := at.Pages, at.Pages+uint32(p.plan.Tokens*p.pages)
	longest := int32(0)
	for i, s := range in.Seq {
		if p.pages == 0 { // a plan without caches has no use for tables
			break
		}
		if p.bySeq[s] == 0 {
			table := in.Pages[s]
			if int(next)+len(table) > int(room) {
				return fmt.Errorf("gpu: sequence %d has a block table of %d pages; the caches have %d", s, len(table), p.pages)
			}
			p.bySeq[s] = next
			copyInts(w[next:], table)
			next += uint32(len(table))
		}
		w[at.Table+uint32(i)] = p.bySeq[s]
		longest = max(longest, in.Pos[i])
	}
	for t, r := range p.plan.Ropes {
		turns := w[at.Turns[t]:]
		for i, pos := range in.Pos {
			out := turns[2*i*len(r.Freq):][:2*len(r.Freq)]
			for j, freq := range r.Freq {
				sin, cos := math.Sincos(float64(pos) * freq)
				out[2*j] = floatWord(float32(cos) * r.Scale)
				out[2*j+1] = floatWord(float32(sin) * r.Scale)
			}
		}
	}
	if sampled(p.plan) {
		for r, how := range in.Sampling {
			writeSampling(w[at.Sampling+uint32(r*SampleWords):], how, in.Pos[in.Want[r]])
		}
	}
	if p.plan.Hidden != model.None {
		copy(p.inputs.Floats()[at.Hidden:], in.Hidden)
	}
	run := Run{Tokens: n, Want: len(in.Want), Len: int(longest) + 1}
	for i, size := range p.indirect {
		g := size(run)
		copy(w[at.Indirect+uint32(4*i):], g[:])
	}
	return nil
}

func writeSampling(w []uint32, how model.Sampling, pos int32) {
	least := math.Inf(-1)
	if how.MinP > 0 {
		least = math.Log(float64(how.MinP))
	}
	w[SampleTemp] = floatWord(max(0, how.Temp))
	w[SampleTopK] = uint32(max(0, how.TopK))
	w[SampleTopP] = floatWord(how.TopP)
	w[SampleMinP] = floatWord(float32(least))
	w[SampleSeed0], w[SampleSeed1] = uint32(how.Seed), uint32(how.Seed>>32)
	w[SamplePos] = uint32(pos)
}

// copyInts copies numbers to words; negative ones never get here.
func copyInts(dst []uint32, src []int32) {
	if len(src) > 0 {
		copy(dst, unsafe.Slice((*uint32)(unsafe.Pointer(&src[0])), len(src)))
	}
}

// Run replays the recorded plan. It allocates nothing.
func (p *program) Run(in model.Inputs, out *model.Outputs) error {
	b := p.b
	if b.lost != nil {
		return b.lost
	}
	if err := p.plan.Check(&in); err != nil {
		return err
	}
	if err := p.write(&in); err != nil {
		return err
	}
	if p.stepTime != nil {
		if err := p.profiled(); err != nil {
			return err
		}
	} else if err := p.submit(); err != nil {
		return err
	}
	p.last = in.Rows()
	out.Result, out.Tokens, out.StepTime = nil, nil, p.stepTime
	n := p.plan.ActiveRows(p.plan.Result, p.last)
	if p.tokens == nil {
		out.Result = p.result[:n*p.plan.Tensors[p.plan.Result].Cols]
		return nil
	}
	for i, id := range p.tokens.Words()[:n] {
		p.ids[i] = int32(id)
	}
	out.Tokens = p.ids[:n]
	return p.sampleRest(&in)
}

// sampleRest samples the rows that the device's kernels can't: they rank a bounded
// number of tokens.
func (p *program) sampleRest(in *model.Inputs) error {
	vocab, fetched := p.plan.Tensors[resultRows(p.plan)].Cols, p.fetch == nil
	for i, how := range in.Sampling {
		if SampledHere(how, vocab) {
			continue
		}
		if !fetched {
			if err := p.b.start(p.fetch, "logits"); err != nil {
				return p.b.failed(err, "logits", "logits")
			}
			if err := p.b.dev.Wait(p.fetch); err != nil {
				return p.b.failed(err, "logits", "logits")
			}
			fetched = true
		}
		p.ids[i] = p.sampler.Pick(p.result[i*vocab:][:vocab], how, in.Pos[in.Want[i]])
	}
	return nil
}

// submit runs all segments and waits for them.
func (p *program) submit() error {
	if p.slower > 0 {
		if err := p.rerecord(); err != nil {
			return err
		}
	}
	started, begin := 0, time.Now()
	var first error
	for i := range p.segments {
		if err := p.b.start(p.segments[i].cmd, p.segments[i].first); err != nil {
			first = p.b.failed(err, p.segments[i].first, p.segments[i].last)
			break
		}
		started++
	}
	for i := range p.segments[:started] {
		s := &p.segments[i]
		if err := p.b.dev.Wait(s.cmd); err != nil && first == nil {
			first = p.b.failed(err, s.first, s.last)
		}
		now := time.Now()
		p.judge(s, now.Sub(begin))
		begin = now
	}
	return first
}

// Read implements model.Program.
func (p *program) Read(id model.ID, dst []float32) (int, error) {
	t := p.plan.Tensors[id]
	if !p.plan.Trace || p.place[id].n == 0 {
		return 0, fmt.Errorf("gpu: %s is not kept", t.Name)
	}
	n := p.plan.ActiveRows(id, p.last) * t.Cols
	if n == 0 {
		return 0, nil
	}
	if p.act.Bytes() != nil && !p.b.unmapped {
		return copy(dst, p.act.Floats()[p.place[id].at/4:][:n]), nil
	}
	back, err := p.b.dev.NewBuffer("read "+t.Name, int64(n)*4, vk.Readback)
	if err != nil {
		return 0, fmt.Errorf("gpu: %w", err)
	}
	defer back.Close()
	r, err := p.b.dev.NewRecorder()
	if err != nil {
		return 0, fmt.Errorf("gpu: %w", err)
	}
	r.Barrier()
	r.Copy(p.act, p.place[id].at, back, 0, int64(n)*4)
	if err := p.b.once(r); err != nil {
		return 0, err
	}
	return copy(dst, back.Floats()[:n]), nil
}
