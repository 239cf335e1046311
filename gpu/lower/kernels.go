package lower

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/shaders"
)

// Kernels turns the steps of a plan into dispatches for one device. It knows
// which variants the device can run, which of them failed, and what was measured.
type Kernels struct {
	dev   Device
	loads []string        // suffixes of variants the device can run, the preferred first
	off   map[string]bool // variants that failed
	tuned Choices         // measured choice among shapes, by TuneKey
	as    *Shape          // of every matmul that can have it, whatever was measured
}

// As returns kernels like these whose matmuls have a shape where they can; nil leaves
// them as they are. What is disabled in the one is not in the other.
func (k *Kernels) As(s *Shape) *Kernels {
	c := *k
	c.off, c.tuned, c.as = maps.Clone(k.off), maps.Clone(k.tuned), s
	return &c
}

// Suffixes of variants: how they read and reduce (see shaders.Table).
const (
	LoadBuffer = ""       // storage buffers, subgroup reductions
	LoadTexel  = "_texel" // texel buffers, subgroup reductions
	LoadPlain  = "_plain" // storage buffers, shared-memory reductions
	LoadDot    = "_dot"   // of products: packed rows of x, dot products of bytes
	LoadCoop   = "_coop"  // of products of many rows: packed rows of x, products of a subgroup's matrices
)

// Only has the kernels load in the given ways alone, the preferred first.
func (k *Kernels) Only(loads ...string) { k.loads = loads }

// Texels reports whether a kernel may read texel buffers.
func (k *Kernels) Texels() bool { return slices.Contains(k.loads, LoadTexel) }

// Variants lists the ways to load that the device has, the preferred first, as people
// call them.
func (k *Kernels) Variants() (names []string) {
	for _, load := range k.loads {
		names = append(names, cmp.Or(strings.TrimPrefix(load, "_"), "buffer"))
	}
	return names
}

// Prefer has the kernels load in one of Variants where they can; false for another name.
func (k *Kernels) Prefer(variant string) bool {
	i := slices.Index(k.Variants(), variant)
	if i >= 0 {
		k.loads = append([]string{k.loads[i]}, slices.Delete(slices.Clone(k.loads), i, i+1)...)
	}
	return i >= 0
}

// NewKernels returns the kernels for a device.
func NewKernels(d Device) *Kernels {
	k := &Kernels{dev: d, off: map[string]bool{}, tuned: Choices{}}
	// A workgroup of a given number of subgroups needs their size to be known.
	if d.SubgroupArithmetic && d.Subgroup > 1 && (d.SubgroupSize || d.SubgroupMin == d.SubgroupMax) {
		k.loads = []string{LoadBuffer}
		switch {
		case d.MaxTexelElements*16 < min(d.MaxStorageRange, 1<<30): // a weight would be in many parts
		case d.Software:
			k.loads = []string{LoadTexel, LoadBuffer} // three to six times as fast there
		default:
			k.loads = []string{LoadBuffer, LoadTexel}
		}
	}
	offer := func(load string, first bool) {
		at := len(k.loads)
		if first && !d.Software {
			at = 0
		}
		k.loads = slices.Insert(k.loads, at, load)
	}
	if d.Dot {
		offer(LoadDot, d.DotFast)
	}
	if d.matrix() != (Matrix{}) {
		offer(LoadCoop, true)
	}
	k.loads = append(k.loads, LoadPlain)
	return k
}

// Disable drops a variant that failed to compile or computes wrongly on this
// device, and reports whether another can take its place.
func (k *Kernels) Disable(kernel string) bool {
	if k.off[kernel] {
		return false
	}
	k.off[kernel] = true
	if kernel == "rope_store" || kernel == "rmsnorm_round" {
		return true // rope and store, rmsnorm and round
	}
	if ty, _, ok := productKernel(kernel); ok {
		return slices.ContainsFunc(k.loads, func(load string) bool { return k.runs(matvecOf(ty, load)) })
	}
	_, err := k.load(strings.TrimSuffix(strings.TrimSuffix(kernel, LoadTexel), LoadPlain), func(string) bool { return true })
	return err == nil
}

// runs reports whether there is a kernel and it did not fail.
func (k *Kernels) runs(kernel string) bool { return shaders.Has(kernel) && !k.off[kernel] }

// load returns the preferred suffix of a base name among those that work and
// that the caller can use.
func (k *Kernels) load(base string, can func(load string) bool) (string, error) {
	for _, s := range k.loads {
		if s == LoadPlain && !shaders.Has(base+s) {
			s = LoadBuffer // a kernel without subgroups has no plainer form
		}
		if k.runs(base+s) && can(s) {
			return s, nil
		}
	}
	return "", fmt.Errorf("gpu: no variant of kernel %s works on %s", base, k.dev.Name)
}

// works returns an error for a kernel without variants that failed.
func (k *Kernels) works(kernel string) error {
	if k.off[kernel] {
		return fmt.Errorf("gpu: kernel %s does not work on %s", kernel, k.dev.Name)
	}
	return nil
}

// Lower returns the dispatches of plan step `at`, and how many steps (≥ 1) they
// cover when the following ones are fused into it.
func (k *Kernels) Lower(l *Lowering, at int) (ds []Dispatch, steps int, err error) {
	if isProduct(&l.Plan.Steps[at]) {
		return k.lowerTogether(l, at)
	}
	w := newLowered(k, l, at)
	if err := w.lower(); err != nil {
		return nil, 0, err
	}
	return w.ds, 1, nil
}

// lowered is a step on its way to dispatches.
type lowered struct {
	k     *Kernels
	l     *Lowering
	s     *model.Step
	dst   model.Tensor
	fused []*model.Step   // steps that become part of this one's dispatch; see fuse.go
	at    map[rows]Bind   // where rounded rows lie; nil: as they are
	tiles map[tiling]Bind // where the columns of experts lie
	ds    []Dispatch
}

// rows are the rounded rows of an activation, in one of the forms that products take.
// cols is the length of a row, which may be a part of the activation's.
type rows struct {
	x      model.ID
	packed bool
	cols   int
}

// rounded binds rows as a product takes them.
func (w *lowered) rounded(x rows) Bind {
	if b, ok := w.at[x]; ok {
		return b
	}
	return read(x.x)
}

func newLowered(k *Kernels, l *Lowering, at int) *lowered {
	s := &l.Plan.Steps[at]
	return &lowered{k: k, l: l, s: s, dst: l.Plan.Tensors[s.Dst]}
}

func (w *lowered) lower() error {
	var do func(*lowered) error
	if w.s.Op < model.NumOps {
		do = lowerings[w.s.Op]
	}
	if do == nil {
		return model.Unsupported(fmt.Errorf("gpu: no kernel for %s (→ %s)", w.s.Op, w.dst.Name))
	}
	if err := do(w); err != nil {
		return fmt.Errorf("%w (%s → %s)", err, w.s.Op, w.dst.Name)
	}
	return nil
}

// lowerings is the table of ops: how each becomes dispatches; nil for one that cannot.
var lowerings = [model.NumOps]func(*lowered) error{
	model.Embed:         (*lowered).embed,
	model.RMSNorm:       (*lowered).rmsnorm,
	model.L2Norm:        (*lowered).l2norm,
	model.LayerNorm:     (*lowered).layernorm,
	model.MatMul:        (*lowered).matmul,
	model.MatMulHeads:   (*lowered).matmul,
	model.RoPE:          (*lowered).rope,
	model.Store:         (*lowered).store,
	model.Attention:     (*lowered).attention,
	model.Conv:          (*lowered).conv,
	model.DeltaRule:     (*lowered).deltaRule,
	model.Scan:          (*lowered).scan,
	model.Act:           (*lowered).act,
	model.SwiGLU:        (*lowered).swiglu,
	model.Add:           (*lowered).add,
	model.Mul:           (*lowered).mul,
	model.Slice:         (*lowered).slice,
	model.Join:          (*lowered).join,
	model.Gather:        (*lowered).gather,
	model.Sample:        (*lowered).sample,
	model.Route:         (*lowered).route,
	model.MatMulExperts: (*lowered).matmul,
	model.Combine:       (*lowered).combine,
}

// Ops lists the ops that can be lowered.
func Ops() (ops []model.Op) {
	for op, f := range lowerings {
		if f != nil {
			ops = append(ops, model.Op(op))
		}
	}
	return ops
}

func (w *lowered) src(i int) model.Tensor { return w.l.Plan.Tensors[w.s.Src[i]] }

// rows is how many rows an activation has in the largest run.
func (w *lowered) rows(t model.ID) int { return w.l.Plan.Rows(t, w.l.Size) }

// launch appends a dispatch of a variant; binds in the order of its bindings after
// the inputs buffer, which is always binding 0.
func (w *lowered) launch(kernel string, spec, push []uint32, groups grid, binds ...Bind) *Dispatch {
	v, spirv := shaders.Find(kernel)
	if len(push) != v.PushWords || len(binds)+1 != v.Storage+v.Texel {
		panic(fmt.Sprintf("gpu: kernel %s takes %d words and %d bindings, not %d and %d",
			kernel, v.PushWords, v.Storage+v.Texel, len(push), len(binds)+1))
	}
	full := Run{Tokens: w.l.Size.Tokens, Want: w.l.Size.Want, Seqs: w.l.Size.Tokens, Most: w.l.Size.Tokens, Len: w.l.longest()}
	d := Dispatch{
		Kernel:  kernel,
		Variant: v,
		SPIRV:   spirv,
		Spec:    spec,
		Push:    push,
		Bind:    append([]Bind{{Mem: Inputs0}}, binds...),
		Groups:  groups(full),
	}
	// Sizes that never change are recorded as they are.
	if least := groups(Run{Tokens: 1, Want: 1, Seqs: 1, Most: 1, Len: 1}); least != d.Groups {
		d.Indirect = groups
	}
	w.ds = append(w.ds, d)
	return &w.ds[len(w.ds)-1]
}

// grid is the number of workgroups of a run.
type grid func(r Run) [3]uint32

// count returns the inputs' word with the number of rows of a tensor, and that
// number for a run.
func count(t model.Tensor) (word uint32, of func(r Run) uint32) {
	if t.Kind == model.WantRows {
		return 1, func(r Run) uint32 { return uint32(r.Want) }
	}
	return 0, func(r Run) uint32 { return uint32(r.Tokens) }
}

// perRow is the grid (groups, rows of t).
func perRow(t model.Tensor, groups uint32) grid {
	_, rows := count(t)
	return func(r Run) [3]uint32 { return [3]uint32{groups, rows(r), 1} }
}

func ceilDiv(a, b uint32) uint32 { return (a + b - 1) / b }

func read(id model.ID) Bind  { return Bind{Mem: Act, Tensor: id} }
func write(id model.ID) Bind { return Bind{Mem: Act, Tensor: id, Write: true} }

func boolWord(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// local is the workgroup size of kernels that neither share nor reduce.
func (k *Kernels) local() uint32 {
	if k.dev.Software {
		return 64 // a workgroup is a task of a thread there
	}
	return 128
}

// subgroup is the size of a subgroup to ask for: more than 32 would idle on short rows,
// and Intel's have 128 registers of 32 invocations, too few for the sums of a product.
func (k *Kernels) subgroup() uint32 {
	want := 32
	if k.dev.Vendor == intel {
		want = 16
	}
	if k.dev.SubgroupSize && k.dev.SubgroupMin <= want && want <= k.dev.SubgroupMax {
		return uint32(want)
	}
	return uint32(k.dev.Subgroup)
}

const intel = 0x8086 // PCI vendor

// reduced returns the workgroup of a kernel that reduces, with the given number of
// subgroups; one on software devices, where barriers cost more than lanes bring.
func (k *Kernels) reduced(load string, subgroups uint32) (local, number, size uint32) {
	if load == LoadPlain {
		return 64, 0, 0 // a power of two
	}
	if k.dev.Software {
		subgroups = 1
	}
	size = k.subgroup()
	return subgroups * size, subgroups, size
}

// vector binds a weight of one row as float32, decoding it to scratch before
// where the file has another type.
func (w *lowered) vector(id model.ID) (Bind, error) {
	info := w.l.Weight(id)
	if info.Type == quant.F32 {
		return Bind{Mem: WeightOf, Tensor: id}, nil
	}
	to := Bind{Mem: Scratch, Size: int64(info.Cols+63) &^ 63 * 4, Write: true}
	if err := w.decode(id, info, info.Parts[0], 0, true, to); err != nil {
		return Bind{}, err
	}
	to.Write = false
	return to, nil
}
