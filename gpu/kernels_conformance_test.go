//go:build cgo && !novulkan

package gpu

import (
	"slices"
	"testing"

	"eclat/gpu/lower"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/conformance"
)

// TestKernels runs every op through the kernels of each way of loading. What a
// backend must do besides (batches refused, pages copied) is not the bench's.
func TestKernels(t *testing.T) {
	long(t)
	d := openKernels(t, true)
	var ops []string
	for _, op := range model.Ops() {
		ops = append(ops, op.String())
	}
	type asked struct {
		load string
		*conformance.Case
	}
	var list []asked
	var loads []string
	for _, load := range loadsOf(d) {
		if load == lower.LoadTexel && lowerable(d.Info()).Software {
			continue // what TestConformance runs there
		}
		loads = append(loads, load)
		for _, c := range conformance.Cases() {
			if slices.Contains(ops, c.Op) && !(c.Long && testing.Short()) {
				list = append(list, asked{load, c})
			}
		}
	}
	// A share goes round the ways of loading too.
	list = backendtest.Deal(t, list, func(a asked) string { return a.Op + " " + a.Type })
	tried := map[string]bool{}
	for _, load := range loads {
		name := load
		if load == lower.LoadBuffer {
			name = "_buffer"
		}
		t.Run(name[1:], func(t *testing.T) {
			for _, c := range list {
				if c.load != load {
					continue
				}
				tried[c.Op] = true
				t.Run(c.Op+"/"+c.Name, func(t *testing.T) {
					r := c.Check(
						func() (model.Backend, error) { return openReference(t) },
						func() (model.Backend, error) { return newBench(d, kernelsWith(d, load)), nil })
					if r.Fail != "" || r.Unsupported != "" {
						t.Error(r.Fail, r.Unsupported)
					}
				})
			}
		})
	}
	if len(tried) != len(ops) {
		t.Errorf("%d ops were tried of %d", len(tried), len(ops))
	}
}
