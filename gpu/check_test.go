//go:build cgo && !novulkan

package gpu

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"eclat/gpu/vk"
	"eclat/model"
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
	kernels string   // variants that are wrong
	edits   []string // old, new …
	refused bool     // nothing can take its place
}

const product = "matvec_q4_k_texel matvec_q6_k_texel matvec_q8_0_texel matvec_f32_texel matvec_f16_texel"

var faults = []fault{
	{"tail", product, []string{"first_row + j >= p.rows) continue", "first_row + j + 1 >= p.rows) continue"}, false},
	{"barrier", "sample_pick", []string{"pair[lane] = b;\n    barrier();", "pair[lane] = b;",
		"pair[lane] = pair[lane + n];\n        barrier();", "pair[lane] = pair[lane + n];"}, true},
	{"subgroup width", product, []string{"const uint TEAMS = LOCAL / LANES", "const uint TEAMS = 32 / LANES"}, false},
	{"stale buffer", "gather", []string{"writeonly restrict buffer Y", "restrict buffer Y", "inputs[1]) y[", "inputs[1] && isnan(y[i * p.k + e])) y["}, true},
	{"rope", "rope_store", []string{"second ? v.y : v.x", "second ? v.x : v.y"}, false},
	{"mask", "attention_texel", []string{"until[r] = pos + 1", "until[r] = max(pos, 1)"}, false},
	{"f16 overflow", product, []string{"y[at] = sum;", "y[at] = abs(sum) > 65504 ? uintBitsToFloat(0x7f800000u) : sum;"}, false},
	{"wrong scale", "attention_texel", []string{"uintBitsToFloat(p.scale)", "uintBitsToFloat(p.scale + 1)"}, false},
	{"off by one row", product, []string{"min(j0 + r % EACH, p.rows - 1)", "min(j0 + r % EACH + 1, p.rows - 1)"}, false},
	{"NaN", product, []string{"y[at] = sum;", "y[at] = isnan(sum) ? 0 : sum;"}, false},
	{"dropped dispatch", "round", []string{"void main() {", "void main() {\n    if (p.k > 0) return;"}, true},
	{"denormals", "rmsnorm", []string{"    return flush(v);", "    return v;"}, true},
	{"every variant", "attention attention_texel attention_plain", []string{"uintBitsToFloat(p.scale)", "uintBitsToFloat(p.scale + 1)"}, true},
}

// TestFaults: a kernel that is wrong in any of these ways is found when a plan is
// compiled; another takes its place and the answer is right, or the device is refused.
func TestFaults(t *testing.T) {
	if _, err := exec.LookPath("glslc"); err != nil {
		t.Skipf("glslc is not there: %v", err)
	}
	right := openChecked(t, options{})
	if right.b.info.Type != vk.Software {
		t.Skipf("%s: the kernels that are made wrong are those of a software device", right.b.info.Name)
	}
	want := right.logits(right.program(len(prompt), 1, false))
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			wrong := f.compile(t)
			used := map[string]bool{}
			c := openChecked(t, options{spirv: func(kernel string, spirv []byte) []byte {
				if w := wrong[kernel]; w != nil {
					used[kernel] = true
					return w
				}
				return spirv
			}})
			err := c.compileOnce()
			t.Logf("%v; %q", err, c.warned)
			if len(used) == 0 {
				t.Fatal("the plan does not use the kernel")
			}
			if f.refused {
				if !errors.Is(err, model.ErrNoDevice) || len(err.Error()) > 200 || !strings.Contains(err.Error(), strings.Fields(f.kernels)[0]) {
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

// compile makes the SPIR-V of the fault's variants.
func (f *fault) compile(t *testing.T) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../shaders")); err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, name := range strings.Fields(f.kernels) {
		v, _ := shaders.Find(name)
		path := filepath.Join(dir, v.Source)
		if len(out) == 0 {
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
		spv := filepath.Join(dir, "wrong.spv")
		cmd := exec.Command("glslc", shaders.Arguments(v, spv)...)
		cmd.Dir = dir
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, msg)
		}
		data, err := os.ReadFile(spv)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = data
	}
	return out
}

// TestChecksFile: a file of checks that is damaged, of another driver or hostile is left
// aside and written anew; it cannot take a kernel away, nor pass one.
func TestChecksFile(t *testing.T) {
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
