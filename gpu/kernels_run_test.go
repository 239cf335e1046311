//go:build cgo && !novulkan

package gpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/loader"
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
func kernelsWith(d *vk.Device, load string) *lower.Kernels {
	dev := lowerable(d.Info())
	if load == lower.LoadBuffer {
		dev.Software = false
	}
	k := lower.NewKernels(dev)
	k.Only(load, lower.LoadPlain)
	return k
}

// answer runs a plan once on a fresh backend, which it closes.
func answer(t testing.TB, be model.Backend, file *loader.File, plan *model.Plan, o model.CompileOptions, in *model.Batch) (out model.Outputs) {
	t.Helper()
	defer be.Close()
	if err := be.Load(t.Context(), file, plan); err != nil {
		t.Fatal(err)
	}
	p, err := be.Compile(plan, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	out.Rows, out.Tokens = slices.Clone(out.Rows), slices.Clone(out.Tokens)
	return out
}

// room is memory for n tokens of one sequence.
func room(n int) model.Room { return model.Room{Pages: model.Pages(n), Seqs: 1, Chunk: n} }

// rows is a program's options for n tokens with one answer.
func rows(n int) model.CompileOptions {
	return model.CompileOptions{Size: model.Size{Tokens: n, Want: 1}}
}

// bench is the plainest backend that kernels can run on, so that a fault is
// theirs: a buffer a tensor, a recording for each size of run, a barrier after
// every dispatch. It keeps weights and memory by name, as model.Backend says.
type bench struct {
	d     *vk.Device
	k     *lower.Kernels
	ends  []func()                // in the order made
	mem   map[string][]*vk.Buffer // parts of a weight; a memory
	infos map[string]*lower.WeightInfo
	pipes map[string]*vk.Pipeline
	split int64 // greatest bytes of a part
}

func newBench(d *vk.Device, k *lower.Kernels) *bench {
	return &bench{d: d, k: k, mem: map[string][]*vk.Buffer{}, infos: map[string]*lower.WeightInfo{}, pipes: map[string]*vk.Pipeline{}, split: 1 << 20}
}

func (b *bench) Info() model.DeviceInfo { return describe(b.d.Info()) }
func (b *bench) Pages() model.PageIO    { return nil }

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

func (b *bench) Load(_ context.Context, src model.Weights, p *model.Plan) error {
	for _, t := range p.Memory() {
		row, _ := t.Type.RowBytes(uint64(t.Cols))
		buf, err := b.buffer(t.Name, int64(t.Rows)*int64(row))
		if err != nil {
			return err
		}
		b.mem[t.Name] = []*vk.Buffer{buf}
	}
	for _, t := range p.Weights() {
		w, err := model.MappedWeight(src, t)
		if err != nil {
			return err
		}
		if err := b.weight(w, t); err != nil {
			return err
		}
	}
	return nil
}

// weight uploads a weight in parts of at most b.split bytes.
func (b *bench) weight(w *loader.Tensor, t model.Tensor) error {
	info := &lower.WeightInfo{Type: w.Type, Rows: t.Rows, Cols: t.Cols, RowBytes: w.RowBytes}
	pack := b.k.Repack(w.Type)
	if pack != nil {
		info.RowBytes, info.Repacked = pack.RowBytes(t.Cols), true
	}
	most := max(1, int(b.split)/info.RowBytes)
	for at := 0; at < t.Rows; at += most {
		rows := min(most, t.Rows-at)
		size := rows*info.RowBytes + lower.TableBytes(w.Type)
		buf, err := b.buffer(t.Name, int64(size))
		if err != nil {
			return err
		}
		src := w.Data[at*w.RowBytes:][:rows*w.RowBytes]
		if pack != nil {
			pack.Rows(buf.Bytes()[:rows*info.RowBytes], src, rows, t.Cols)
		} else {
			copy(buf.Bytes(), src)
		}
		lower.PutTable(buf.Bytes()[rows*info.RowBytes:], w.Type)
		b.mem[t.Name] = append(b.mem[t.Name], buf)
		info.Parts = append(info.Parts, lower.Part{First: at, Rows: rows, Bytes: int64(size)})
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

// benchRun is a compiled plan on a bench. Of program it uses the writing of inputs.
type benchRun struct {
	*program
	b       *bench
	l       *lower.Lowering
	ds      []lower.Dispatch
	steps   []int // the plan's step of each dispatch
	ran     map[lower.Run]*vk.Commands
	acts    map[model.ID]*vk.Buffer
	scratch *vk.Buffer
	times   []time.Duration // of each dispatch, with timed set
	timed   bool
}

func (b *bench) Compile(p *model.Plan, o model.CompileOptions) (model.Program, error) {
	r := &benchRun{
		program: &program{plan: p, opt: o, ids: make([]int32, o.Want)},
		b:       b, acts: map[model.ID]*vk.Buffer{}, ran: map[lower.Run]*vk.Commands{},
	}
	r.l = lower.NewLowering(p, o, func(name string) *lower.WeightInfo { return b.infos[name] })
	groups, err := b.k.All(r.l)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		for range g.Dispatches {
			r.steps = append(r.steps, g.Step)
		}
		r.ds = append(r.ds, g.Dispatches...)
	}
	if r.Work, err = lower.WorkOf(r.l, groups); err != nil {
		return nil, err
	}
	for id, t := range p.Tensors {
		if t.Kind == model.TokenRows || t.Kind == model.WantRows {
			id := model.ID(id)
			if r.acts[id], err = b.buffer(t.Name, max(256, r.l.Bytes(id))); err != nil {
				return nil, err
			}
			for i := range r.acts[id].Words() {
				r.acts[id].Words()[i] = 0x7fc00000 // NaN: what a kernel must not use
			}
		}
	}
	if r.inputs, err = b.buffer("inputs", r.Inputs); err != nil {
		return nil, err
	}
	if r.scratch, err = b.buffer("scratch", max(256, r.Scratch)); err != nil {
		return nil, err
	}
	r.tokens, err = b.buffer("tokens", max(256, r.Tokens))
	return r, err
}

func (r *benchRun) Close() error { return nil }

// Read copies an activation; every one has memory of its own here.
func (r *benchRun) Read(id model.ID, dst []float32) (int, error) {
	if !r.opt.Trace {
		return 0, errors.New("the program has no Trace")
	}
	return copy(dst, r.acts[id].Floats()[:r.plan.Rows(id, r.last)*r.plan.Tensors[id].Cols]), nil
}

// bindings resolves a dispatch's memory.
func (r *benchRun) bindings(d *lower.Dispatch) []vk.Binding {
	var out []vk.Binding
	for i, bind := range d.Bind {
		var b vk.Binding
		switch bind.Mem {
		case lower.Inputs0:
			b.Buffer = r.inputs
		case lower.Act:
			b.Buffer, b.Offset = r.acts[bind.Tensor], bind.Offset
		case lower.WeightOf:
			b.Buffer = r.b.mem[r.plan.Tensors[bind.Tensor].Name][bind.Part]
		case lower.KeptIn:
			b.Buffer = r.b.mem[r.plan.Tensors[bind.Tensor].Name][0]
		case lower.Scratch:
			b.Buffer, b.Offset, b.Size = r.scratch, bind.Offset, bind.Size
		case lower.Tokens0:
			b.Buffer = r.tokens
		}
		if b.Size == 0 {
			b.Size = b.Buffer.Size() - b.Offset
		}
		if i >= d.Variant.Storage {
			b.Size &^= 15
		}
		out = append(out, b)
	}
	return out
}

// record returns the commands of a run's sizes.
func (r *benchRun) record(run lower.Run) (*vk.Commands, error) {
	if c := r.ran[run]; c != nil {
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
		key := pipelineKey(d)
		p := r.b.pipes[key]
		if p == nil {
			if p, err = r.b.d.NewPipeline(d.Kernel, d.SPIRV, layoutOf(d), d.Spec, d.Subgroup); err != nil {
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
		r.ran[run] = c
		r.b.ends = append(r.b.ends, c.Close)
	}
	return c, err
}

func (r *benchRun) Run(_ context.Context, in *model.Batch, out *model.Outputs) error {
	if err := in.Check(r.plan, r.opt.Size); err != nil {
		return err
	}
	if err := r.write(in); err != nil {
		return err
	}
	if id := r.plan.Hidden; id != model.None {
		copy(r.acts[id].Floats(), in.Rows)
	}
	r.last = in.Size(r.plan)
	run := lower.Run{Tokens: r.last.Tokens, Want: r.last.Want, Seqs: len(in.Seqs)}
	for i := 0; i < len(in.Pos); i += r.plan.Axes {
		run.Len = max(run.Len, int(in.Pos[i])+1)
	}
	for i := range in.Seqs {
		run.Most = max(run.Most, in.Seqs[i].N)
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
	out.Rows, out.Tokens = nil, nil
	id := r.plan.Answer()
	r.answer = r.acts[id].Floats()
	rows := r.plan.Rows(id, r.last) * r.plan.Tensors[id].Cols
	if !r.plan.Samples() {
		out.Rows = r.answer[:rows]
		return nil
	}
	return r.choose(in, out, rows)
}
