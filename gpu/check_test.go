//go:build cgo && !novulkan

package gpu

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/shaders"
)

// checked opens a backend whose kernels are asked, with the built-in model loaded. asked
// counts the questions, warned has what it said.
type checked struct {
	*runner
	b      *Backend
	asked  int
	warned []string
}

func openChecked(t *testing.T, o options) *checked {
	t.Helper()
	c := &checked{}
	o = strict(t, o)
	o.unchecked = false
	o.Warn = func(m string) { c.warned = append(c.warned, m) }
	o.Progress = func(what string, done, _ int64) {
		if what == "checks" {
			c.asked++
		}
	}
	b, err := open(testDevice(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	c.b, c.runner = b, newRunner(t, builtIn, b, 64)
	return c
}

// compileOnce compiles the model for a token and for a prompt.
func (c *checked) compileOnce() (err error) {
	st := c.m.Whole()
	st.Sample = true
	plan, err := c.m.Plan(st, c.room)
	if err != nil {
		return err
	}
	for _, n := range []int{1, 64} {
		p, err := c.b.Compile(plan, model.CompileOptions{Size: model.Size{Tokens: n, Want: 1}})
		if err != nil {
			return err
		}
		defer p.Close()
		for _, g := range p.(*program).groups {
			for i := range g.Dispatches {
				if d := &g.Dispatches[i]; c.b.passed[c.b.checkKey(d)] == "" && d.Kernel != "round" {
					c.t.Errorf("%s was not asked", pipelineKey(d))
				}
			}
		}
	}
	return nil
}

// TestChecksPass: kernels that are right are not refused, and are not asked again.
func TestChecksPass(t *testing.T) {
	o := options{}
	o.CacheDir = t.TempDir()
	for round := range 2 {
		c := openChecked(t, o)
		start := time.Now()
		if err := c.compileOnce(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d questions, %d kernels passed, %v", round, c.asked, len(c.b.passed), time.Since(start))
		if len(c.warned) > 0 || (c.asked == 0) != (round == 1) || len(c.b.passed) == 0 {
			t.Errorf("round %d: %d questions, warned %q", round, c.asked, c.warned)
		}
	}
}

// fault is a kernel made wrong: texts of its source replaced by others.
type fault struct {
	name    string
	kernels string   // that are wrong, in the variant that the device prefers, or in all
	edits   []string // old, new …
	all     bool     // all variants are wrong: nothing can take their place
	variant string   // of products, to prefer; kernels are then variants
	file    string   // that is edited; "" for the kernels' source
}

// Kernels of products: those that questions about other kernels use too, which nothing can
// replace on some devices; those of the built-in model; and those of bytes.
const anyProduct = "matvec_q4_k matvec_q6_k matvec_q8_0 matvec_f32 matvec_f16"
const product = "matvec_q4_k matvec_q6_k"
const ofDot = "matvec_q4_k_dot matvec_q6_k_dot matvec_q8_0_dot matmul_q4_k_dot matmul_q6_k_dot matmul_q8_0_dot"
const ofCoop = "matmul_q4_k_coop matmul_q6_k_coop matmul_q8_0_coop"

var faults = []fault{
	{"tail", product, []string{"!here(first_row + j)) continue", "!here(first_row + j + 1)) continue"}, false, "", ""},
	{"tail: of any product", anyProduct, []string{"!here(first_row + j)) continue", "!here(first_row + j + 1)) continue"}, false, "", ""},
	{"barrier", "sample_pick", []string{"pair[lane] = b;\n    barrier();", "pair[lane] = b;",
		"pair[lane] = pair[lane + n];\n        barrier();", "pair[lane] = pair[lane + n];"}, true, "", ""},
	{"subgroup width", product, []string{"const uint TEAMS = LOCAL / LANES", "const uint TEAMS = 32 / LANES"}, false, "", ""},
	{"stale buffer", "gather", []string{"writeonly restrict buffer Y", "restrict buffer Y", "inputs[1]) y[", "inputs[1] && isnan(y[i * p.k + e])) y["}, true, "", ""},
	{"rope", "rope_store", []string{"second ? v.y : v.x", "second ? v.x : v.y"}, false, "", ""},
	{"mask", "attention", []string{"until[r] = pos + 1", "until[r] = max(pos, 1)"}, false, "", ""},
	{"f16 overflow", product, []string{"y[at] = sum;", "y[at] = abs(sum) > 65504 ? uintBitsToFloat(0x7f800000u) : sum;"}, false, "", ""},
	{"wrong scale", "attention", []string{"uintBitsToFloat(p.scale)", "uintBitsToFloat(p.scale + 1)"}, false, "", ""},
	{"off by one row", product, []string{"w_row(j0 + r % EACH)", "w_row(j0 + r % EACH + 1)"}, false, "", ""},
	{"NaN", product, []string{"y[at] = sum;", "y[at] = isnan(sum) ? 0 : sum;"}, false, "", ""},
	{"dropped dispatch", "round", []string{"void main() {", "void main() {\n    if (p.k > 0) return;"}, true, "", ""},
	{"denormals", "rmsnorm rmsnorm_round", []string{"    return flush(v);", "    return v;"}, true, "", ""},
	{"rounding", "attention", []string{"v[e] = a[b * 8 + e]", "v[e] = a[b * 8 + max(e, 1)]"}, false, "", ""},
	{"every variant", "attention", []string{"uintBitsToFloat(p.scale)", "uintBitsToFloat(p.scale + 1)"}, true, "", ""},
	{"dot: high bytes", ofDot, []string{"256.0 * float(a.x)", "255.0 * float(a.x)", "256 * a.x", "255 * a.x"}, false, "dot", "lib/weights.glsl"},
	{"dot: a block further", ofDot, []string{"(row * (k / 32) + b) * 5", "(row * (k / 32) + b) * 5 + 5"}, false, "dot", "lib/packed.glsl"},
	{"dot: packing", "round rmsnorm_round", []string{"m - 256 * h", "m - 255 * h"}, false, "dot", "lib/round.glsl"},
	{"norm: rounding", "rmsnorm_round", []string{"v, 8)", "v, 7)"}, false, "", ""},
	{"norm: packing", "rmsnorm_round", []string{"m - 256 * h", "m - 255 * h"}, false, "dot", "lib/round.glsl"},
	{"coop: high bytes", ofCoop, []string{"256.0 * highs", "255.0 * highs", "high * 256", "high * 255"}, false, "coop", ""},
	{"coop: scales along x", ofCoop, []string{"x_scale, i, 0,", "x_scale, i, 1,"}, false, "coop", ""},
	{"coop: half", ofCoop, []string{"? 2 * s :", "? s :", "4 * (s / STEPS)", "3 * (s / STEPS)"}, false, "coop", ""},
	{"coop: edge", ofCoop, []string{"!here(col)) continue", "!here(col + 1)) continue"}, false, "coop", ""},
}

// TestFaults: a kernel that is wrong in any of these ways is found when a plan is
// compiled; another takes its place and the answer is right, or the device is refused.
func TestFaults(t *testing.T) {
	long(t)
	glslc := compiler(t)
	right := openChecked(t, options{OpenOptions: model.OpenOptions{CacheDir: t.TempDir()}})
	if right.b.info.Type != vk.Software {
		t.Skipf("%s: the kernels that are made wrong are those of a software device", right.b.info.Name)
	}
	if err := right.compileOnce(); err != nil {
		t.Fatal(err)
	}
	want := right.logits(right.program(len(prompt), 1, false))
	kind := func(f fault) string { // of the twelve each is one
		kind, _, _ := strings.Cut(f.name, ":")
		return kind
	}
	for _, f := range backendtest.Deal(t, faults, kind) {
		t.Run(f.name, func(t *testing.T) {
			// A share of the faults meets kernels that have answered before: the wrong one
			// alone is asked. Not where it is asked with those that take what it leaves, nor
			// where nothing takes its place: what else has answered tells its name.
			cache := ""
			if os.Getenv(backendtest.Share) != "" && !f.all && !slices.Contains(strings.Fields(f.kernels), "round") {
				cache = right.b.opt.CacheDir
			}
			wrong, refused := f.compile(t, glslc, right.b.kernels)
			var used atomic.Bool // pipelines are made side by side
			c := openChecked(t, options{OpenOptions: model.OpenOptions{CacheDir: cache}, spirv: func(kernel string, spirv []byte) []byte {
				if w := wrong[kernel]; w != nil {
					used.Store(true)
					return w
				}
				return spirv
			}})
			if f.variant != "" && !c.b.kernels.Prefer(f.variant) {
				t.Skipf("%s has no kernels of kind %s", c.b.info.Name, f.variant)
			}
			err := c.compileOnce()
			t.Logf("%v; %q", err, c.warned)
			if !used.Load() {
				t.Fatal("the plan does not use the kernel")
			}
			// A product that is wrong may be met in the question of another kernel, and need
			// not be where the plan has none of its type.
			if refused && (err != nil || f.all) {
				if !errors.Is(err, model.ErrNoDevice) || len(err.Error()) > 200 || f.all && !strings.Contains(err.Error(), strings.Fields(f.kernels)[0]) {
					t.Errorf("not refused by name: %v", err)
				}
				return
			}
			if err != nil || len(c.warned) == 0 {
				t.Fatalf("not found, or nothing took its place: %v", err)
			}
			if got := c.logits(c.program(len(prompt), 1, false)); !slices.Equal(got, want) {
				t.Error("the answer is wrong")
			}
		})
	}
}

// compiler is the command of the shaders' compiler: the one that made them (make
// drivers), else one that is installed.
func compiler(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(shaders.Compiler[0]); err == nil {
		var command []string
		for _, file := range shaders.Compiler {
			path, err := filepath.Abs(file) // it runs in another folder
			if err != nil {
				t.Fatal(err)
			}
			command = append(command, path)
		}
		return command
	}
	path, err := exec.LookPath("glslc")
	if err != nil {
		t.Skipf("glslc is not there: %v", err)
	}
	return []string{path}
}

// compileIn makes the SPIR-V of a variant from the sources in a folder. The error is the
// compiler's.
func compileIn(t *testing.T, dir string, glslc []string, v *shaders.Variant) ([]byte, error) {
	t.Helper()
	spv := filepath.Join(dir, "wrong.spv")
	cmd := exec.Command(glslc[0], append(slices.Clone(glslc[1:]), shaders.Arguments(v, spv)...)...)
	cmd.Dir = dir
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %v\n%s", v.Name, err, msg)
	}
	data, err := os.ReadFile(spv)
	if err != nil {
		t.Fatal(err)
	}
	return data, nil
}

// compile makes the SPIR-V of the fault's kernels in the variants that a device prefers,
// and says whether no other can take their place.
func (f *fault) compile(t *testing.T, glslc []string, k *lower.Kernels) (spirv map[string][]byte, refused bool) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../shaders")); err != nil {
		t.Fatal(err)
	}
	edited := map[string]bool{}
	spirv = map[string][]byte{}
	for _, name := range f.variants(k) {
		v, _ := shaders.Find(name)
		if path := filepath.Join(dir, cmp.Or(f.file, v.Source)); !edited[path] {
			edited[path] = true
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := string(text)
			for i := 0; i < len(f.edits); i += 2 {
				if !strings.Contains(s, f.edits[i]) {
					t.Fatalf("%s has no %q", v.Source, f.edits[i])
				}
				s = strings.ReplaceAll(s, f.edits[i], f.edits[i+1])
			}
			if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		data, err := compileIn(t, dir, glslc, v)
		if err != nil {
			t.Fatal(err)
		}
		spirv[name] = data
	}
	if f.variant != "" {
		return spirv, false // the device's own preference is right
	}
	k = k.As(nil)
	for name := range spirv {
		refused = !k.Disable(name) || refused
	}
	return spirv, refused
}

// variants names what the device uses of the fault's kernels, or all that it could use.
func (f *fault) variants(k *lower.Kernels) (names []string) {
	if f.variant != "" {
		return strings.Fields(f.kernels)
	}
	for _, kernel := range strings.Fields(f.kernels) {
		first := len(names)
		for _, load := range k.Variants() {
			name := strings.TrimSuffix(kernel+"_"+load, "_buffer")
			if shaders.Has(name) && (f.all || len(names) == first) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// TestChecksFile: a file of checks that is damaged, of another driver or hostile is left
// aside and written anew; it cannot take a kernel away, nor pass one.
func TestChecksFile(t *testing.T) {
	long(t)
	o := options{}
	o.CacheDir = t.TempDir()
	ask := func() (asked int, path string) {
		t.Helper()
		c := openChecked(t, o)
		if err := c.compileOnce(); err != nil || len(c.warned) > 0 {
			t.Fatal(err, c.warned)
		}
		return c.asked, c.b.checksPath()
	}
	all, path := ask()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept checks
	if err := json.Unmarshal(good, &kept); err != nil || len(kept.Passed) == 0 {
		t.Fatal(err, kept)
	}
	forged := maps.Clone(kept.Passed)
	for key := range forged {
		forged[key] = "0123456789abcdef"
	}
	other := func(name string, c checks) hostileFile {
		data, _ := json.Marshal(c)
		return hostileFile{name, func(path string) error { return os.WriteFile(path, data, 0o644) }, false}
	}
	files := append(hostileFiles(t, string(good)), other("other driver", checks{"another", kept.Passed}), other("other answers", checks{kept.For, forged}))
	testCacheFile(t, path, files, all, func() int { n, _ := ask(); return n })
}

// TestLostInCheck: a device that is lost while it is asked is lost, not wrong: no kernel is
// disabled, and a new backend asks again.
func TestLostInCheck(t *testing.T) {
	o := options{}
	o.CacheDir = t.TempDir()
	for _, after := range []int{0, 1, 7} {
		armed := false
		o.Fault = func(call, _ string) error {
			if call == "submit" && armed {
				if after--; after < 0 {
					return vk.ErrDeviceLost
				}
			}
			return nil
		}
		c := openChecked(t, o)
		armed = true
		err := c.compileOnce()
		if !errors.Is(err, model.ErrLost) || errors.Is(err, model.ErrNoDevice) || len(c.warned) > 0 {
			t.Errorf("the error is %v, warned %q", err, c.warned)
		}
		if err := c.compileOnce(); !errors.Is(err, model.ErrLost) {
			t.Errorf("compiled on a lost device: %v", err)
		}
	}
	o.Fault = nil
	if c := openChecked(t, o); c.compileOnce() != nil || c.asked == 0 {
		t.Error("nothing was asked after the loss")
	}
}
