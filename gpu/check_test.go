//go:build cgo && !novulkan

package gpu

import (
	"testing"
	"time"

	"eclat/model"
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
