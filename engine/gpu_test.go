package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"eclat/gpu"
	"eclat/gpu/vk"
	"eclat/loader"
	"eclat/model"
)

// gpuName is the Vulkan device the tests run on, a software one included.
func gpuName(t *testing.T) string {
	t.Helper()
	infos, err := gpu.Devices()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	return "vulkan:0"
}

// TestGPUGreedyAgrees: the GPU writes the reference's text, wherever the layers
// are cut between the processor and the GPU, and twice the same.
func TestGPUGreedyAgrees(t *testing.T) {
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
	r := Request{Sampling: model.Sampling{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 11}, MaxTokens: 60, IgnoreEOS: true}
	got, _ := generate(t, open(t, builtIn, Options{Device: gpuName(t)}), "We", r)
	want, _ := generate(t, open(t, builtIn, Options{Device: "cpu"}), "We", r)
	if !slices.Equal(got, want) {
		t.Errorf("GPU %v, processor %v", got, want)
	}
}

// TestDeviceLost: a device that is lost in the middle of a text comes back and the
// text goes on as if nothing had happened.
func TestDeviceLost(t *testing.T) {
	name := gpuName(t)
	r := Request{MaxTokens: 40, IgnoreEOS: true}
	want, _ := generate(t, open(t, builtIn, Options{Device: name}), "The Congress", r)
	for _, at := range []int{1, 2, 17} {
		submits, armed := 0, false
		var told []string
		e := open(t, builtIn, Options{Device: name, Notice: func(m string) { told = append(told, m) },
			gpuFault: func(call, subject string) error {
				if call == "submit" && armed {
					if submits++; submits == at {
						return vk.ErrDeviceLost
					}
				}
				return nil
			}})
		armed = true
		if got, _ := generate(t, e, "The Congress", r); !slices.Equal(got, want) {
			t.Errorf("lost at submit %d: %v, want %v", at, got, want)
		}
		if !slices.ContainsFunc(told, func(m string) bool { return strings.Contains(m, "opening the device again") }) {
			t.Errorf("lost at submit %d: nothing was said of it: %q", at, told)
		}
	}
	// A device that is lost again and again is given up, with an error that names the step.
	e := open(t, builtIn, Options{Device: name, gpuFault: func(call, subject string) error {
		if call == "submit" && subject == "embd" { // every first step; loading works
			return vk.ErrDeviceLost
		}
		return nil
	}})
	s := e.NewSession()
	defer s.Close()
	_, err := s.Generate(context.Background(), e.Prompt("The", false), r)
	var lost *gpu.LostError
	if !errors.Is(err, ErrLost) || !errors.As(err, &lost) || lost.First == "" {
		t.Errorf("error %v, want %v with the step", err, ErrLost)
	}
}

// TestScoreAfterLoss: scoring goes on too, and tells of each position once.
func TestScoreAfterLoss(t *testing.T) {
	submits, armed := 0, false
	e := open(t, builtIn, Options{Device: gpuName(t), gpuFault: func(call, subject string) error {
		if call == "submit" && armed {
			if submits++; submits == 2 {
				return vk.ErrDeviceLost
			}
		}
		return nil
	}})
	armed = true
	ids := e.Prompt(strings.Repeat("The people of the United States. ", 12), false)
	s := e.NewSession()
	defer s.Close()
	next := 0
	err := s.Score(context.Background(), ids, 0, func(r Row) error {
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

func TestGPUDoesNotFit(t *testing.T) {
	name := gpuName(t)
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(f, Options{Device: name, GPULayers: "all", Context: 1 << 28})
	if !errors.Is(err, ErrMemory) || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("error %v, want %v with the numbers", err, ErrMemory)
	}
}

// TestRequireGPU: without a GPU that may be used, a required one is an error and a
// wished-for one a notice.
func TestRequireGPU(t *testing.T) {
	if info, _, err := gpu.Select("auto", false); err == nil {
		t.Skipf("this machine has a GPU: %s", info.Name)
	}
	t.Setenv("ECLAT_ALLOW_SOFTWARE", "")
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(f, Options{RequireGPU: true}); !errors.Is(err, ErrDevice) {
		t.Errorf("error %v, want %v", err, ErrDevice)
	}
	var told string
	open(t, builtIn, Options{Notice: func(m string) { told += m }})
	if !strings.Contains(told, "the processor") {
		t.Errorf("told %q, want that the processor is used and why", told)
	}
}
