package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"eclat/engine/enginetest"
	"eclat/loader"
	"eclat/loader/quant"
)

// poison is the file with a half or, of a float tensor, an element of one of its tensors
// changed: the block at the start of a row.
func poison(t *testing.T, data []byte, name string, row int, bits uint16) *loader.File {
	t.Helper()
	f, err := loader.FromBytes("poisoned", slices.Clone(data))
	if err != nil {
		t.Fatal(err)
	}
	x := f.Tensor(name)
	b := x.Data[row*x.RowBytes:]
	switch x.Type {
	case quant.F32:
		binary.LittleEndian.PutUint32(b, uint32(bits&0x8000)<<16|0x7f800000|uint32(bits&0x3ff)<<13)
	case quant.Q6_K:
		binary.LittleEndian.PutUint16(b[208:], bits)
	default:
		binary.LittleEndian.PutUint16(b, bits)
	}
	return f
}

// openOn opens a model on a file, until the test's end or earlier.
func openOn(t *testing.T, f *loader.File, o Options) *Engine {
	t.Helper()
	e, err := Open(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// TestPoisonedWeights: whichever tensor holds a NaN or an infinity, no token is chosen
// and the tensor is named.
func TestPoisonedWeights(t *testing.T) {
	long(t)
	for _, device := range []string{"ref", "cpu", "vulkan"} {
		t.Run(device, func(t *testing.T) {
			if device == "vulkan" {
				device = gpuName(t)
			}
			for _, model := range []string{"iq4_nl", "qwen3"} {
				data, err := os.ReadFile("../testdata/" + model + "-small.gguf")
				if err != nil {
					t.Fatal(err)
				}
				sound, err := loader.FromBytes(model, data)
				if err != nil {
					t.Fatal(err)
				}
				for i, x := range sound.Tensors {
					if strings.HasPrefix(x.Name, "blk.") && !strings.HasPrefix(x.Name, "blk.0.") {
						continue
					}
					values := []string{"NaN", "+Inf", "-Inf"}
					if device != "ref" && device != "cpu" { // one in turn: a GPU is long to open
						values = values[i%len(values):][:1]
					}
					for _, what := range values {
						bits := map[string]uint16{"NaN": 0x7e00, "+Inf": 0x7c00, "-Inf": 0xfc00}[what]
						row := min(1, len(x.Data)/x.RowBytes-1)
						f := poison(t, data, x.Name, row, bits)
						e := openOn(t, f, Options{Device: device, Context: 64})
						_, err := e.Generate(context.Background(), Request{Tokens: []int32{2, 30, 17, 1}, MaxTokens: 4, IgnoreEOS: true}, nil, nil)
						place := fmt.Sprintf("row %d, block 0", row)
						if block, _ := x.Type.Block(); block == 1 {
							place = fmt.Sprintf("row %d, element 0 is %s", row, what)
						}
						var bad *loader.FormatError
						if !errors.Is(err, ErrNotFinite) || !errors.As(err, &bad) || bad.Field != x.Name || !strings.Contains(bad.Reason, place) {
							t.Errorf("%s in %s of %s, %s: %v", what, x.Name, model, x.Type, err)
						}
						e.Close()
					}
				}
			}
		})
	}
}

// TestOverflow: where the weights are sound, that is said.
func TestOverflow(t *testing.T) {
	data := enginetest.Infinite()
	f, err := loader.FromBytes("large", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"output.weight", "output_norm.weight"} {
		x := f.Tensor(name)
		for i := 0; i < len(x.Data); i += 4 {
			binary.LittleEndian.PutUint32(x.Data[i:], math.Float32bits(3e38))
		}
	}
	e := openOn(t, f, Options{Device: "cpu", Context: 64})
	for range 2 {
		_, err = e.Generate(context.Background(), Request{Tokens: []int32{1}, MaxTokens: 1}, nil, nil)
		var bad *loader.FormatError
		if !errors.Is(err, ErrNotFinite) || errors.As(err, &bad) || !strings.Contains(err.Error(), "all weights are") {
			t.Error(err)
		}
	}
}
