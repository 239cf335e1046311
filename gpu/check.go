package gpu

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/conformance"
	"eclat/shaders"
)

// Before a kernel computes anything that matters it answers a small question whose
// right answer is known by its hash (conformance.Question): on this device, compiled
// with the constants that the plan asks for, through Load, Compile and Run of a guest,
// a backend in a backend. A kernel that answers wrongly is disabled and the plan is
// lowered anew; where nothing can take its place the device is refused.
//
// What answered rightly is remembered, by its SPIR-V and constants, for the device and
// driver. What answered wrongly never is: it is asked again, so that no file in the
// cache can take a kernel away.

// examine asks the kernels of some dispatches what they have not answered yet. again: one
// of them is wrong and was disabled.
func (p *program) examine() (again bool, err error) {
	b := p.b
	if b.opt.unchecked {
		return false, nil
	}
	type asking struct {
		q    *conformance.Question
		as   *lower.Shape
		keys []string
	}
	var list []*asking
	for _, g := range p.groups {
		for i := range g.Dispatches {
			d := &g.Dispatches[i]
			key := b.checkKey(d)
			if b.passed[key] != "" {
				continue
			}
			name, as := p.question(g, d)
			q := conformance.Ask(name)
			if q == nil {
				continue
			}
			if b.remembered[key] == q.Right() {
				b.passed[key] = q.Right()
				continue
			}
			at := slices.IndexFunc(list, func(a *asking) bool {
				return a.q == q && (a.as == nil) == (as == nil) && (as == nil || *a.as == *as)
			})
			if at < 0 {
				at, list = len(list), append(list, &asking{q: q, as: as})
			}
			list[at].keys = append(list[at].keys, key)
		}
	}
	for i, a := range list {
		ok, used, err := b.ask(a.q, a.as, a.keys)
		if err != nil {
			return false, err
		}
		if !ok {
			return true, nil
		}
		for _, key := range a.keys {
			if kernel, _, _ := strings.Cut(key, "["); slices.Contains(used, kernel) {
				b.passed[key] = a.q.Right()
			}
		}
		b.progress("checks", int64(i+1), int64(len(list)))
	}
	if len(list) > 0 {
		b.saveChecks()
	}
	return false, nil
}

// ask reports whether the kernels answer a question rightly, and which of them did. Where
// they don't, the one at fault is disabled: that without which they do, first of those that
// it is asked for (keys), then of the others, the last first. The error is a
// model.ErrNoDevice where nothing helps.
func (b *Backend) ask(q *conformance.Question, as *lower.Shape, keys []string) (right bool, used []string, err error) {
	hash, used, err := b.answer(q, b.kernels.As(as))
	if err != nil || hash == q.Right() {
		return err == nil, used, err
	}
	var suspected []string
	for _, key := range keys {
		kernel, _, _ := strings.Cut(key, "[")
		suspected = append(suspected, kernel)
	}
	slices.Reverse(used)
	suspected = append(suspected, used...)
	slices.Reverse(used)
	for _, kernel := range suspected {
		k := b.kernels.As(as)
		if !k.Disable(kernel) {
			continue
		}
		h, instead, err := b.answer(q, k)
		switch {
		case b.lost != nil:
			return false, nil, b.lost
		case err != nil || h != q.Right():
			continue
		}
		b.kernels.Disable(kernel)
		place := slices.DeleteFunc(instead, func(k string) bool { return slices.Contains(used, k) })
		if len(place) == 0 {
			place = []string{"a plainer one"}
		}
		b.warn("kernel %s answers wrongly on %s (%s: %s); %s takes its place", kernel, b.info.Name, q.Name, hash, place[0])
		return false, nil, nil
	}
	// Two variants may be wrong: the last that can be replaced goes, and the next is asked.
	for _, kernel := range slices.Backward(used) {
		if b.kernels.As(nil).Disable(kernel) {
			b.kernels.Disable(kernel)
			b.warn("kernel %s answers wrongly on %s (%s: %s)", kernel, b.info.Name, q.Name, hash)
			return false, nil, nil
		}
	}
	suspects := slices.DeleteFunc(used, func(kernel string) bool { // those that passed are not at fault
		for key := range b.passed {
			if strings.HasPrefix(key, kernel+"[") {
				return true
			}
		}
		return false
	})
	return false, nil, fmt.Errorf("gpu: %s computes wrongly (%s: %s, kernel %s): %w",
		b.info.Name, q.Name, hash, strings.Join(suspects[max(0, len(suspects)-3):], " or "), errWrong)
}

// answer asks a question of some kernels: the hash of what they say, and their names.
func (b *Backend) answer(q *conformance.Question, k *lower.Kernels) (hash string, used []string, err error) {
	g := b.guest(k)
	hash, err = q.Answer(func() (model.Backend, error) { return g, nil })
	if g.lost != nil {
		b.lost = g.lost
		return "", nil, b.lost
	}
	return hash, g.used, err
}

// question names the question for a dispatch of a group, "" for none, and the shape that
// it is to be asked in. Rounding, and gathering
// by experts, are asked with the products that take what it leaves.
func (p *program) question(g lower.Group, d *lower.Dispatch) (name string, as *lower.Shape) {
	if m, ok := lower.ProductOf(d); ok {
		n := map[uint32]int{1: 1, 2: 2, 4: 3}[m.Cols]
		if n == 0 {
			n = 9
		}
		if m.Tiled() {
			n = 65
		}
		form := [...]conformance.Form{conformance.Plain, conformance.Residual, conformance.Bias}[m.Add]
		if m.GLU {
			form = conformance.GLU
		}
		if m.Experts {
			return conformance.ExpertsQuestion(m.Type, n, form, m.Tail), &m.Shape
		}
		return conformance.ProductQuestion(m.Type, n, form, m.Tail), &m.Shape
	}
	if name, ok := strings.CutPrefix(d.Kernel, "embed_"); ok {
		for _, ty := range shaders.Types {
			switch {
			case shaders.TypeName(ty) != name:
			case d.Spec[1] != 0:
				return conformance.VectorQuestion(ty), nil
			default:
				return conformance.EmbedQuestion(ty, d.Spec[3] != 0), nil
			}
		}
	}
	switch d.Kernel {
	case "rmsnorm_round":
		as, n := p.taker(d.Bind[1].Tensor, 1), 1
		if as.Tiled() {
			n = 65
		}
		return conformance.RoundedQuestion(int(d.Push[3]), n), as
	case "rmsnorm":
		if d.Spec[2] == lower.NormUnit {
			return conformance.L2Question(d.Spec[1] != 0), nil
		}
		if d.Spec[2] == lower.NormBare && d.Spec[1] == 0 {
			return conformance.BareNormQuestion(int(d.Push[3])), nil
		}
		return conformance.NormQuestion(int(d.Push[3]), d.Spec[1] != 0), nil
	case "conv":
		return conformance.ConvQuestion(d.Spec[1] != 0, d.Spec[2] != 0), nil
	case "state":
		op := model.Scan
		if d.Spec[1] != 0 {
			op = model.DeltaRule
		}
		return conformance.StateQuestion(op, d.Spec[2] != 0, d.Spec[3] != 0), nil
	case "elementwise":
		if kind := d.Spec[1]; kind >= lower.OpAct {
			return conformance.ActQuestion(model.Activation(kind - lower.OpAct)), nil
		}
		return [...]model.Op{model.SwiGLU, model.Add, model.Mul}[d.Spec[1]].String(), nil
	case "bias":
		switch {
		case d.Spec[3] != 0:
			return conformance.FactorsQuestion, nil
		case d.Spec[1] != 0:
			return conformance.FactorQuestion(d.Spec[2] != 0), nil
		}
		return d.Kernel, nil
	case "route":
		return conformance.RouteQuestion(model.Gating(d.Spec[1]), d.Spec[2] != 0), nil
	case "combine":
		return conformance.CombineQuestion(d.Spec[1] != 0), nil
	case "gather", "slice", "join", "layernorm":
		return d.Kernel, nil
	case "heads":
		return conformance.HeadsQuestion(d.Spec[1] != 0), nil
	case "sample_best", "sample_pick":
		return "sample", nil
	case "round", "experts":
		return "", nil
	}
	if strings.HasPrefix(d.Kernel, "attention") {
		if s := &p.plan.Steps[g.Step]; s.Op == model.Attention && s.Src[1] == s.Src[2] {
			return conformance.LatentQuestion(p.opt.Tokens >= 16, p.plan.Tensors[s.Src[1]].Type), nil
		}
		if d.Spec[12] != 0 || d.Spec[13] != 0 { // a cap, sinks
			dim, share, _, _ := p.attended(g.Step)
			return conformance.SunkQuestion(dim, share, p.opt.Tokens >= 16), nil
		}
		if d.Spec[10] != 0 { // it rounds
			return p.attentionQuestion(g.Step, true), p.taker(d.Bind[1].Tensor, lower.MaxCols)
		}
	}
	return p.attentionQuestion(g.Step, false), nil
}

// taker is the shape of a product that takes the rows of an activation, as it is in a
// question whose matvecs take cols rows at once.
func (p *program) taker(x model.ID, cols uint32) *lower.Shape {
	for _, g := range p.groups {
		for i := range g.Dispatches {
			d := &g.Dispatches[i]
			if m, ok := lower.ProductOf(d); ok && slices.ContainsFunc(d.Bind[2:], func(b lower.Bind) bool { return b.Mem == lower.Act && b.Tensor == x }) {
				if !m.Tiled() {
					m.Cols = cols
				}
				return &m.Shape
			}
		}
	}
	panic("gpu: rows that are rounded for nobody")
}

// attentionQuestion names the question of the first attention from a step on: what turns
// and stores its keys is asked with it.
func (p *program) attentionQuestion(from int, rounded bool) string {
	halves := slices.ContainsFunc(p.plan.Ropes, func(r model.Rope) bool { return r.Halves })
	dim, share, keys, values := p.attended(from)
	return conformance.AttentionQuestion(dim, share, p.opt.Tokens >= 16, keys, values, halves, rounded)
}

// attended is the shape of the first attention from a step on: elements of a head, heads
// that share keys, and the types of keys and values.
func (p *program) attended(from int) (dim, share int, keys, values quant.Type) {
	dim, share, keys, values = 64, 1, quant.F16, quant.F16
	for i := range p.plan.Steps[from:] {
		if s := &p.plan.Steps[from+i]; s.Op == model.Attention {
			dim, share = int(s.Arg[2]), int(s.Arg[0]/s.Arg[1])
			keys, values = p.plan.Tensors[s.Src[1]].Type, p.plan.Tensors[s.Src[2]].Type
			break
		}
	}
	return dim, share, keys, values
}

// guest is a backend on the device and with the pipelines of another, whose Close leaves
// both. It computes in memory full of NaN.
type guest struct {
	*Backend
	used []string // kernels of what it compiled, in order
}

func (b *Backend) guest(k *lower.Kernels) *guest {
	o := b.opt
	o.Progress, o.tune, o.unchecked = nil, tuneNever, true
	g := &Backend{
		opt: o, dev: b.dev, info: b.info, kernels: k, rates: b.rates, pipes: b.pipes, warmed: b.warmed, unmapped: b.unmapped,
		weights: map[string]*weight{}, memories: map[string]*memory{}, programs: map[*program]bool{},
	}
	g.work.b, g.pages.b = g, g
	return &guest{Backend: g}
}

// Compile implements model.Backend.
func (g *guest) Compile(plan *model.Plan, o model.CompileOptions) (model.Program, error) {
	mp, err := g.Backend.Compile(plan, o)
	if err != nil {
		return nil, err
	}
	p := mp.(*program)
	for _, gr := range p.groups {
		for i := range gr.Dispatches {
			if k := gr.Dispatches[i].Kernel; !slices.Contains(g.used, k) {
				g.used = append(g.used, k)
			}
		}
	}
	r, err := g.record()
	if err != nil {
		return nil, err
	}
	const nan = 0x7fc00000
	r.Fill(p.ws.mem, 0, p.ws.mem.Size()&^3, nan)
	if p.tokens != nil {
		r.Fill(p.tokens, 0, p.tokens.Size()&^3, nan)
	}
	return p, g.once(r, "memory")
}

// Close implements model.Backend.
func (g *guest) Close() error {
	for p := range g.programs {
		p.Close()
	}
	g.work.free()
	for _, buf := range slices.Backward(g.held) {
		buf.Close()
	}
	g.held = nil
	return nil
}

// checks is the file of what answered rightly.
type checks struct {
	For    string            // deviceKey of the device
	Passed map[string]string // hash of the answer, by checkKey
}

// checkKey names what answered: SPIR-V and all that it is compiled with.
func (b *Backend) checkKey(d *lower.Dispatch) string {
	sum := sha256.Sum256(b.spirv(d))
	return pipelineKey(d) + " " + hex.EncodeToString(sum[:8])
}

// deviceKey names device and driver.
func (b *Backend) deviceKey() string {
	h := sha256.New()
	h.Write(b.info.UUID[:])
	h.Write(b.info.DriverUUID[:])
	fmt.Fprint(h, b.info.Name, b.info.Driver, b.info.DriverVersion)
	if m, err := shaders.ReadManifest(); err == nil {
		json.NewEncoder(h).Encode(m.Binaries)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (b *Backend) checksPath() string {
	return filepath.Join(b.opt.CacheDir, "checks-"+b.deviceKey()[:16]+".json")
}

// loadChecks takes over what passed before; what is not of this device and driver, or is
// no such file, is left aside and written anew.
func (b *Backend) loadChecks() {
	b.passed, b.remembered = map[string]string{}, map[string]string{}
	if b.opt.CacheDir == "" || b.opt.unchecked {
		return
	}
	var c checks
	if data, err := vk.ReadCache(b.checksPath(), mostChoices); err == nil && json.Unmarshal(data, &c) == nil && c.For == b.deviceKey() {
		maps.Copy(b.remembered, c.Passed)
	}
}

// saveChecks keeps what passed. A failure costs only time at the next start.
func (b *Backend) saveChecks() {
	if b.opt.CacheDir == "" {
		return
	}
	maps.Copy(b.remembered, b.passed)
	if data, err := json.MarshalIndent(checks{b.deviceKey(), b.remembered}, "", "\t"); err == nil {
		vk.WriteCache(b.checksPath(), data)
	}
}
