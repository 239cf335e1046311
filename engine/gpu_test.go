package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/model"
	"eclat/model/sample"
)

// gpuName is the Vulkan device the tests run on, a software one included.
func gpuName(t *testing.T) string {
	t.Helper()
	return theGPU(t).ID
}

// theGPU is the first Vulkan device; without one the test is skipped.
func theGPU(t *testing.T) model.DeviceInfo {
	t.Helper()
	list, err := Devices(0)
	for _, d := range list {
		if info := d.Info(); info.GPU() {
			return info
		}
	}
	t.Skipf("no Vulkan device: %v", err)
	return model.DeviceInfo{}
}

// TestGPUGreedyAgrees: the GPU writes the reference's text, wherever the layers
// are cut between the processor and the GPU, and twice the same.
func TestGPUGreedyAgrees(t *testing.T) {
	long(t)
	name := gpuName(t)
	r := Request{MaxTokens: 200, IgnoreEOS: true}
	want, _ := generate(t, open(t, builtIn, Options{Device: "ref"}), "The Congress", r)
	for _, layers := range []string{"all", "0", "3"} {
		e := open(t, builtIn, Options{Device: name, GPULayers: layers})
		for range 2 {
			if got, _ := generate(t, e, "The Congress", r); !slices.Equal(got, want) {
				t.Errorf("%s layers on the GPU: %v, ref: %v", layers, got, want)
			}
		}
	}
}

// TestGPUSamplesTheSame: the random numbers on the GPU are the processor's.
func TestGPUSamplesTheSame(t *testing.T) {
	long(t)
	r := Request{Settings: sample.Settings{Params: sample.Params{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 11}}, MaxTokens: 60, IgnoreEOS: true}
	got, _ := generate(t, open(t, builtIn, Options{Device: gpuName(t)}), "We", r)
	want, _ := generate(t, open(t, builtIn, Options{Device: "cpu"}), "We", r)
	if !slices.Equal(got, want) {
		t.Errorf("GPU %v, processor %v", got, want)
	}
}

// TestGPULost: a device that is lost in the middle of a text comes back and the
// text goes on as if nothing had happened; one that is lost again and again gives its
// layers to the processor.
func TestGPULost(t *testing.T) {
	long(t)
	name := gpuName(t)
	r := Request{MaxTokens: 40, IgnoreEOS: true}
	want, _ := generate(t, open(t, builtIn, Options{Device: name}), "The Congress", r)
	for _, at := range []int{1, 2, 17, -1} {
		submits, armed := 0, false
		var told []string
		e := open(t, builtIn, Options{Device: name, Notice: func(m string) { told = append(told, m) },
			fault: func(call, subject string) error {
				if call == "submit" && armed {
					if submits++; submits == at || at < 0 && subject == "embd" { // every first step; loading works
						return model.ErrLost
					}
				}
				return nil
			}})
		e.do(context.Background(), func() error { armed = true; return nil })
		if got, _ := generate(t, e, "The Congress", r); !slices.Equal(got, want) {
			t.Errorf("lost at submit %d: %v, want %v", at, got, want)
		}
		say := "opening the device again"
		if at < 0 {
			say = "all layers move to cpu"
		}
		if !slices.ContainsFunc(told, func(m string) bool { return strings.Contains(m, say) }) {
			t.Errorf("lost at submit %d: %q was not said: %q", at, say, told)
		}
	}
}

// TestScoreAfterLoss: scoring goes on too, and tells of each position once.
func TestScoreAfterLoss(t *testing.T) {
	long(t)
	submits, armed := 0, false
	e := open(t, builtIn, Options{Device: gpuName(t), fault: func(call, subject string) error {
		if call == "submit" && armed {
			if submits++; submits == 2 {
				return model.ErrLost
			}
		}
		return nil
	}})
	e.do(context.Background(), func() error { armed = true; return nil })
	ids := e.Prompt(strings.Repeat("The people of the United States. ", 12), false)
	next := 0
	err := e.Score(context.Background(), ids, ScoreOptions{}, func(r Row) error {
		if r.Pos != next {
			t.Errorf("position %d, want %d", r.Pos, next)
		}
		next++
		return nil
	})
	if err != nil || next != len(ids) || submits < 3 {
		t.Errorf("%v; %d of %d positions, %d submits", err, next, len(ids), submits)
	}
}

// TestDoesNotFit: a context that no memory holds is refused with the numbers, before
// anything is allocated, wherever the layers lie.
func TestDoesNotFit(t *testing.T) {
	for _, o := range []Options{
		{Device: "cpu"}, {Device: "ref"}, {Device: "vulkan", GPULayers: "all"}, {Device: "vulkan", GPULayers: "3"}, {Device: "vulkan"},
	} {
		if o.Device == "vulkan" {
			o.Device = gpuName(t)
		}
		for _, o.Context = range []int{20_000_000, 100_000_000, 1 << 30} {
			f, err := loader.Open(builtIn)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = Open(context.Background(), f, o); !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "MiB") {
				t.Errorf("%s, %q layers, context %d: error %v, want %v with the numbers", o.Device, o.GPULayers, o.Context, err, ErrMemory)
			}
		}
	}
}

// TestRequireGPU: without a GPU that may be used, a required one is an error and a
// wished-for one a notice.
func TestRequireGPU(t *testing.T) {
	list, _ := Devices(0)
	for _, d := range list {
		if info := d.Info(); info.Kind >= model.OtherGPU {
			t.Skipf("this machine has a GPU: %s", info.Name)
		}
	}
	t.Setenv("ECLAT_ALLOW_SOFTWARE", "")
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), f, Options{RequireGPU: true}); !errors.Is(err, ErrDevice) {
		t.Errorf("error %v, want %v", err, ErrDevice)
	}
	var told string
	e := open(t, builtIn, Options{Notice: func(m string) { told += m }})
	if !strings.Contains(told, "cpu") || !strings.Contains(e.Device(), "cpu") {
		t.Errorf("told %q, want that the processor is used and why", told)
	}
}
