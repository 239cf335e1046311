package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"eclat/engine"
	"eclat/engine/enginetest"
	"eclat/model"
)

// gpuName is the first Vulkan device, a software one included; "" without one.
func gpuName(t *testing.T) string {
	t.Helper()
	list, err := engine.Devices(0)
	for _, d := range list {
		if info := d.Info(); info.GPU() {
			return info.ID
		}
	}
	t.Log("no Vulkan device:", err)
	return ""
}

// TestNotFinite: no command takes an infinite logit for a prediction, and each names the
// weight that makes it.
func TestNotFinite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "infinite.gguf")
	if err := os.WriteFile(path, enginetest.Infinite(), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(text, []byte("a fog in the hall, a bag of old news"), 0o600); err != nil {
		t.Fatal(err)
	}
	devices := []string{"cpu", "ref"}
	if name := gpuName(t); name != "" {
		devices = append(devices, name)
	}
	for _, device := range devices {
		for _, args := range [][]string{
			{"run", "-p", "a fog", "-n", "3", "--temp", "0"},
			{"run", "-p", "a fog", "-n", "3", "--temp", "1"},
			{"run", "-p", "a fog", "-n", "3", "--repeat-penalty", "1.2"},
			{"logprobs", "--ids", "1,4,5,6"},
			{"perplexity", "-f", text, "-c", "8"},
			{"compare", "-p", "a fog", "--against", "ref"},
			{"compare", "-p", "a fog", "--save", filepath.Join(t.TempDir(), "a.run")},
			{"bench", "-p", "4", "-n", "0", "-r", "1"},
			{"bench", "-p", "0", "-n", "4", "-r", "1"},
		} {
			args = append(args[:1:1], append([]string{path, "--device", device}, args[1:]...)...)
			out, errs, code := eclat(t, "", args...)
			lines := strings.Split(strings.TrimSpace(errs), "\n")
			last := lines[len(lines)-1]
			if code != 3 || strings.TrimSpace(out) != "" || !strings.Contains(last, engine.ErrNotFinite.Error()) || !strings.Contains(last, "output.weight") || !strings.Contains(last, "row 7, element 0 is +Inf") {
				t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, out, errs)
			}
		}
	}
}

// TestContextTooLong: a context that no memory holds is one line and exit code 4,
// wherever the layers are to lie.
func TestContextTooLong(t *testing.T) {
	places := [][]string{{"--device", "cpu"}, {"--device", "auto"}, {"--device", "ref"}}
	if name := gpuName(t); name != "" {
		places = append(places, []string{"--device", name}, []string{"--device", name, "-g", "3"}, []string{"--device", name, "-g", "all"}, []string{"--device", name, "-g", "0"})
	}
	for _, place := range places {
		for _, n := range []string{"20000000", "100000000", "1073741824"} {
			out, errs, code := eclat(t, "", append([]string{"run", "-n", "1", "-c", n}, place...)...)
			failed := 0
			for line := range strings.Lines(errs) {
				if strings.HasPrefix(line, "eclat:") {
					failed++
				} else if !strings.HasPrefix(line, "device:") {
					t.Errorf("%v -c %s: %q", place, n, line)
				}
			}
			if code != 4 || out != "" || failed != 1 {
				t.Errorf("%v -c %s: exit code %d, stdout %q, stderr %q", place, n, code, out, errs)
			}
		}
	}
}

// TestCompareDoesNotFit: a comparison whose activations no memory holds is one line and
// exit code 4, before anything is loaded.
func TestCompareDoesNotFit(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("needs a shell that limits the address space:", err)
	}
	text := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("the cat sat on the mat and looked. ", 20000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"cpu", "ref"} { // a GPU may have memory of its own
		args := []string{"compare", "-f", text, "-n", "65536", "--batch", "65536", "--device", device}
		cmd := exec.Command(sh, append([]string{"-c", `ulimit -v 6000000; exec "$@"`, "sh", os.Args[0]}, args...)...)
		cmd.Env = append(os.Environ(), "ECLAT_MAIN=1")
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 4 || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "MiB of work memory") {
			t.Errorf("%s: exit code %d, %q", device, code, out)
		}
	}
}

// endsAt is a context that ends when it is asked for the at-th time.
type endsAt struct {
	context.Context
	at, asked atomic.Int32
	gone      chan struct{}
}

func endingAt(at int32) *endsAt {
	c := &endsAt{Context: context.Background(), gone: make(chan struct{})}
	c.at.Store(at)
	close(c.gone)
	return c
}

func (c *endsAt) ask() bool { return c.asked.Add(1) >= c.at.Load() }

func (c *endsAt) Err() error {
	if c.ask() {
		return context.Canceled
	}
	return nil
}

func (c *endsAt) Done() <-chan struct{} {
	if c.ask() {
		return c.gone
	}
	return nil
}

// TestOpenInterrupted: wherever opening is interrupted, nothing of the engine goes on.
func TestOpenInterrupted(t *testing.T) {
	dev := deviceFlags{device: "cpu", gpuLayers: "auto", cpuMoE: "auto", verify: "quick"}
	before := runtime.NumGoroutine()
	for at := int32(1); ; at++ {
		e, err := dev.open(endingAt(at), nil)
		if err == nil {
			if at == 1 {
				t.Error("opening never looks whether it is interrupted")
			}
			e.Close()
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		for range 200 { // what was closed may take a moment to be gone
			if runtime.NumGoroutine() <= before {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Fatalf("interrupted when it looked the %d. time, opening left %d goroutines behind: %v", at, n-before, err)
		}
	}
}

// TestInspectPlan: the built-in model's plan has every op once in its legend, each
// layer's step once, and fits on a screen.
func TestInspectPlan(t *testing.T) {
	out := ok(t, "", "inspect", "--plan")
	for _, want := range []string{
		"\nblk.0–5 alike: 6 ×\n",
		"token_embd.weight 256×4096 Q4_K\n",
		"attn_v.weight 256×256 Q4_K ×4 Q6_K ×2, attn_norm 256×n\n",
		"n_head=4 n_head_kv=2 dim_k=128 dim_v=128 scale=0.08839",
		"after the layers:\n",
		"blk.5.ffn_residual 256×n\n",
		"6 × k_cache 256 F16, 6 × v_cache 256 F16\n",
		"6144 a position",
		"choose(x)\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan lacks %q:\n%s", want, out)
		}
	}
	for _, op := range []model.Op{model.RMSNorm, model.MatMul, model.Attention, model.Store} {
		if n := strings.Count(out, op.Formula()+"\n"); n != 1 {
			t.Errorf("the formula of %s stands there %d times", op, n)
		}
	}
	if n := strings.Count(out, "\n"); n > 45 {
		t.Errorf("%d lines do not fit on a screen", n)
	}
	if _, errs, code := eclat(t, "", "inspect", "--plan", "--json"); code != 2 || !strings.Contains(errs, "exclude") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

// TestPlanLayers: layers that differ are shown each once, wherever they stand.
func TestPlanLayers(t *testing.T) {
	v := &planView{}
	for l := range 7 {
		name := "attention"
		if l%3 == 2 {
			name = "window"
		}
		v.add(l, []planLine{{op: "matmul", name: name, src: []planSource{{name: "w", weight: true, ty: 1}}}})
	}
	if len(v.layers) != 2 || v.layers[0].title() != "blk.0–1, 3–4, 6 alike: 5 ×" || v.layers[1].title() != "blk.2, 5 alike: 2 ×" {
		t.Errorf("%d kinds: %q", len(v.layers), v.layers[0].title())
	}
}

// TestInspectExperts: the plan shows which steps are the processor's with --cpu-moe, and
// only of the layers that it names.
func TestInspectExperts(t *testing.T) {
	in := "../../testdata/experts-small.gguf"
	plain := ok(t, "", "inspect", in, "--plan")
	some := ok(t, "", "inspect", in, "--plan", "--cpu-moe=2")
	all := ok(t, "", "inspect", in, "--plan", "--cpu-moe")
	if strings.Contains(plain, "on the CPU") || !strings.Contains(plain, "blk.1–2 alike") {
		t.Errorf("without --cpu-moe:\n%s", plain)
	}
	if !strings.Contains(some, "on the CPU") || strings.Contains(some, "blk.1–2 alike") {
		t.Errorf("--cpu-moe=2:\n%s", some)
	}
	for _, line := range strings.Split(all, "\n") {
		if strings.HasPrefix(line, "matmul_experts ") && strings.Contains(line, "_exps.weight") && !strings.HasSuffix(line, "on the CPU") {
			t.Errorf("--cpu-moe: %s", line)
		}
	}
	if !strings.Contains(all, "on the GPU and the CPU") {
		t.Errorf("the norm is computed on both sides:\n%s", all)
	}
	for _, args := range [][]string{{"inspect", in, "--plan", "--cpu-moe=-1"}, {"inspect", in, "--cpu-moe=x"}, {"run", in, "-p", "a", "--cpu-moe=some"}} {
		if _, errs, code := eclat(t, "", args...); code != 2 || !strings.Contains(errs, "--cpu-moe") {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}
