//go:build never

package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/loader/quant"
	"eclat/model"
)

// openKernels opens the first device, with validation unless it is for timing.
// Any message fails the test; without a device the test is skipped.
func openKernels(t testing.TB, validation bool) *vk.Device {
	t.Helper()
	infos, err := vk.Enumerate()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	var lock sync.Mutex
	d, err := vk.Open(infos[0], vk.Options{Validation: validation, OnMessage: func(m string) {
		lock.Lock()
		defer lock.Unlock()
		t.Errorf("validation: %s", m)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// kernelsWith returns kernels that load in one way; plain storage buffers with the
// shapes of a card, tiles among them, whatever the device.
func kernelsWith(d *vk.Device, load string) *Kernels {
	info := d.Info()
	if load == loadBuffer {
		info.Type = vk.Discrete
	}
	k := NewKernels(info)
	k.loads = []string{load, loadPlain}
	return k
}

// answer runs a plan once on a fresh backend, which it closes.
func answer(t testing.TB, be model.Backend, file *loader.File, plan *model.Plan, in model.Inputs) (out model.Outputs) {
	t.Helper()
	defer be.Close()
	if err := be.Load(file, plan.Keep()); err != nil {
		t.Fatal(err)
	}
	p, err := be.Compile(plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(in, &out); err != nil {
		t.Fatal(err)
	}
	out.Result, out.Tokens = slices.Clone(out.Result), slices.Clone(out.Tokens)
	return out
}

// bench is the plainest backend that kernels can run on, so that a fault is
// theirs: a buffer a tensor, a recording for each size of run, a barrier after
// every dispatch. It keeps weights and caches by name, as model.Backend says.
type bench struct {
	d     *vk.Device
	k     *Kernels
	ends  []func()                // in the order made
	mem   map[string][]*vk.Buffer // parts of a weight; a cache
	infos map[string]*WeightInfo
	pages int
	pipes map[string]*vk.Pipeline
	split int64 // greatest bytes of a part
}

func newBench(d *vk.Device, k *Kernels) *bench {
	return &bench{d: d, k: k, mem: map[string][]*vk.Buffer{}, infos: map[string]*WeightInfo{}, pipes: map[string]*vk.Pipeline{}, split: 1 << 20}
}

func (b *bench) buffer(name string, size int64) (*vk.Buffer, error) {
	buf, err := b.d.NewBuffer(name, (size+255)&^255, vk.OnDevice)
	if err != nil {
		return nil, err
	}
	b.ends = append(b.ends, buf.Close)
	if buf.Bytes() == nil {
		return nil, fmt.Errorf("memory of %s is not mapped; these tests run where all of it is", name)
	}
	clear(buf.Bytes())
	return buf, nil
}

func (b *bench) Load(src *loader.File, keep []model.Tensor) error {
	for _, t := range keep {
		if t.Kind == model.Cache {
			buf, err := b.buffer(t.Name, int64(t.Rows)*int64(t.Cols)*2)
			if err != nil {
				return err
			}
			b.mem[t.Name], b.pages = []*vk.Buffer{buf}, t.Rows/model.PageLen
			continue
		}
		if err := b.weight(src.Tensor(t.Name), t); err != nil {
			return err
		}
	}
	return nil
}

// weight uploads a weight in parts of at most b.split bytes.
func (b *bench) weight(w *loader.Tensor, t model.Tensor) error {
	info := &WeightInfo{Type: w.Type, Rows: t.Rows, Cols: t.Cols, RowBytes: w.RowBytes}
	pack := b.k.Repack(w.Type)
	if pack != nil {
		info.RowBytes, info.Repacked = pack.RowBytes(t.Cols), true
	}
	most := max(1, int(b.split)/info.RowBytes)
	for at := 0; at < t.Rows; at += most {
		rows := min(most, t.Rows-at)
		buf, err := b.buffer(t.Name, int64(rows*info.RowBytes))
		if err != nil {
			return err
		}
		src := w.Data[at*w.RowBytes:][:rows*w.RowBytes]
		if pack != nil {
			pack.Rows(buf.Bytes()[:rows*info.RowBytes], src, rows, t.Cols)
		} else {
			copy(buf.Bytes(), src)
		}
		b.mem[t.Name] = append(b.mem[t.Name], buf)
		info.Parts = append(info.Parts, Part{First: at, Rows: rows, Bytes: int64(rows * info.RowBytes)})
	}
	b.infos[t.Name] = info
	return nil
}

func (b *bench) Close() error {
	for i := len(b.ends) - 1; i >= 0; i-- {
		b.ends[i]()
	}
	for _, p := range b.pipes {
		p.Close()
	}
	return nil
}

// benchRun is a compiled plan on a bench.
type benchRun struct {
	b                       *bench
	plan                    *model.Plan
	l                       *Lowering
	ds                      []Dispatch
	steps                   []int // the plan's step of each dispatch
	recorded                map[Run]*vk.Commands
	acts                    map[model.ID]*vk.Buffer
	tables                  []uint32 // word of each sequence's block table
	picked                  []int32
	rows                    [2]int // tokens and wanted rows of the last run
	inputs, scratch, tokens *vk.Buffer
	times                   []time.Duration // of each dispatch, with timed set
	timed                   bool
}

func (b *bench) Compile(p *model.Plan) (model.Program, error) {
	r := &benchRun{b: b, plan: p, acts: map[model.ID]*vk.Buffer{}, recorded: map[Run]*vk.Commands{}}
	pages := max(b.pages, 4200) // block tables of the rope tests are longer than their caches
	r.l = &Lowering{
		Plan: p, Info: b.d.Info(), In: inputsFor(p, pages, 0), Pages: max(1, b.pages),
		Weight: func(id model.ID) *WeightInfo { return b.infos[p.Tensors[id].Name] },
		Used:   make([]int, len(p.Tensors)),
	}
	for _, s := range p.Steps {
		for _, id := range s.Src {
			r.l.Used[id]++
		}
	}
	r.l.Used[p.Result]++
	if p.Trace {
		for i := range r.l.Used {
			r.l.Used[i]++
		}
	}
	scratch := int64(256)
	for at := 0; at < len(p.Steps); {
		ds, steps, err := b.k.Lower(r.l, at)
		if err != nil {
			return nil, err
		}
		for _, d := range ds {
			for _, bind := range d.Bind {
				if bind.Mem == Scratch {
					scratch = max(scratch, bind.Offset+bind.Size)
				}
			}
			r.steps = append(r.steps, at)
		}
		r.ds = append(r.ds, ds...)
		at += steps
	}
	var err error
	for id, t := range p.Tensors {
		if t.Kind == model.TokenRows || t.Kind == model.LogitsRows {
			if r.acts[model.ID(id)], err = b.buffer(t.Name, int64(t.Rows)*int64(t.Cols)*4); err != nil {
				return nil, err
			}
			for i := range r.acts[model.ID(id)].Words() {
				r.acts[model.ID(id)].Words()[i] = 0x7fc00000 // NaN: what a kernel must not use
			}
		}
	}
	if r.inputs, err = b.buffer("inputs", int64(r.l.In.Words)*4); err != nil {
		return nil, err
	}
	if r.scratch, err = b.buffer("scratch", scratch); err != nil {
		return nil, err
	}
	r.tokens, err = b.buffer("tokens", int64(p.Logits)*4)
	return r, err
}

func (r *benchRun) Close() error { return nil }

// Read copies an activation; every one has memory of its own here.
func (r *benchRun) Read(id model.ID, dst []float32) (int, error) {
	if !r.plan.Trace {
		return 0, errors.New("the plan has no Trace")
	}
	n := r.rows[0]
	if r.plan.Tensors[id].Kind == model.LogitsRows {
		n = r.rows[1]
	}
	return copy(dst, r.acts[id].Floats()[:n*r.plan.Tensors[id].Cols]), nil
}

// write fills the inputs buffer.
func (r *benchRun) write(in *model.Inputs) {
	w, at := r.inputs.Words(), r.l.In
	r.rows = [2]int{len(in.Pos), len(in.Want)}
	w[0], w[1] = uint32(len(in.Pos)), uint32(len(in.Want))
	next := at.Pages
	r.tables = append(r.tables[:0], make([]uint32, len(in.Pages))...)
	for i, pos := range in.Pos {
		if len(in.Tokens) > 0 {
			w[at.Tokens+uint32(i)] = uint32(in.Tokens[i])
		}
		w[at.Pos+uint32(i)] = uint32(pos)
		s := in.Seq[i]
		if r.tables[s] == 0 {
			r.tables[s] = next
			for _, page := range in.Pages[s] {
				w[next] = uint32(page)
				next++
			}
		}
		w[at.Table+uint32(i)] = r.tables[s]
		for t, rope := range r.plan.Ropes {
			for j, f := range rope.Freq {
				sin, cos := math.Sincos(float64(pos) * f)
				e := at.Turns[t] + uint32(2*(i*len(rope.Freq)+j))
				w[e], w[e+1] = math.Float32bits(float32(cos)*rope.Scale), math.Float32bits(float32(sin)*rope.Scale)
			}
		}
	}
	for i, want := range in.Want {
		w[at.Want+uint32(i)] = uint32(want)
	}
	for i, s := range in.Sampling {
		e := w[at.Sampling+uint32(i*SampleWords):]
		least := math.Inf(-1)
		if s.MinP > 0 {
			least = math.Log(float64(s.MinP))
		}
		e[SampleTemp], e[SampleTopK], e[SampleTopP] = math.Float32bits(s.Temp), uint32(s.TopK), math.Float32bits(s.TopP)
		e[SampleMinP], e[SampleSeed0], e[SampleSeed1] = math.Float32bits(float32(least)), uint32(s.Seed), uint32(s.Seed>>32)
		e[SamplePos] = uint32(in.Pos[in.Want[i]])
	}
	if r.plan.Hidden != model.None {
		copy(r.acts[r.plan.Hidden].Floats(), in.Hidden)
	}
}

// bindings resolves a dispatch's memory.
func (r *benchRun) bindings(d *Dispatch) []vk.Binding {
	var out []vk.Binding
	for i, bind := range d.Bind {
		var b vk.Binding
		switch bind.Mem {
		case Inputs0:
			b.Buffer = r.inputs
		case Act:
			b.Buffer, b.Offset = r.acts[bind.Tensor], bind.Offset
		case WeightOf:
			b.Buffer = r.b.mem[r.plan.Tensors[bind.Tensor].Name][bind.Part]
		case CacheOf:
			b.Buffer = r.b.mem[r.plan.Tensors[bind.Tensor].Name][0]
		case Scratch:
			b.Buffer, b.Offset, b.Size = r.scratch, bind.Offset, bind.Size
		case Tokens0:
			b.Buffer = r.tokens
		}
		if b.Size == 0 {
			b.Size = b.Buffer.Size() - b.Offset
		}
		if i >= d.Layout.Storage {
			b.Size &^= 15
		}
		out = append(out, b)
	}
	return out
}

// record returns the commands of a run's sizes.
func (r *benchRun) record(run Run) (*vk.Commands, error) {
	if c := r.recorded[run]; c != nil {
		return c, nil
	}
	rec, err := r.b.d.NewRecorder()
	if err != nil {
		return nil, err
	}
	if r.timed {
		rec.Timestamp(0)
	}
	for i := range r.ds {
		d := &r.ds[i]
		key := fmt.Sprint(d.Kernel, d.Spec, d.Subgroup)
		p := r.b.pipes[key]
		if p == nil {
			if p, err = r.b.d.NewPipeline(d.Kernel, d.SPIRV, d.Layout, d.Spec, d.Subgroup); err != nil {
				return nil, err
			}
			r.b.pipes[key] = p
		}
		set, err := r.b.d.NewSet(p, r.bindings(d))
		if err != nil {
			return nil, err
		}
		r.b.ends = append(r.b.ends, set.Close)
		g := d.Groups
		if d.Indirect != nil {
			g = d.Indirect(run)
		}
		if g[0]*g[1]*g[2] > 0 {
			rec.Dispatch(p, set, d.Push, g[0], g[1], g[2])
		}
		rec.Barrier()
		if r.timed {
			rec.Timestamp(i + 1)
		}
	}
	c, err := rec.End()
	if err == nil {
		r.recorded[run] = c
		r.b.ends = append(r.b.ends, c.Close)
	}
	return c, err
}

func (r *benchRun) Run(in model.Inputs, out *model.Outputs) error {
	if err := r.plan.Check(&in); err != nil {
		return err
	}
	r.write(&in)
	run := Run{Tokens: len(in.Pos), Want: len(in.Want)}
	for _, p := range in.Pos {
		run.Len = max(run.Len, int(p)+1)
	}
	c, err := r.record(run)
	if err != nil {
		return err
	}
	if err := r.b.d.Submit(c); err != nil {
		return err
	}
	if r.timed {
		if r.times, err = c.Timestamps(r.times[:0]); err != nil {
			return err
		}
	}
	out.Result, out.Tokens = nil, nil
	if n := r.plan.ActiveRows(r.plan.Result, in.Rows()); r.plan.Tensors[r.plan.Result].Type == quant.I32 {
		r.picked = r.picked[:0]
		for _, id := range r.tokens.Words()[:n] {
			r.picked = append(r.picked, int32(id))
		}
		out.Tokens = r.picked
	} else {
		out.Result = r.acts[r.plan.Result].Floats()[:n*r.plan.Tensors[r.plan.Result].Cols]
	}
	return nil
}
