package bench

import (
	"fmt"

	"eclat/engine"
)

// fileTypes are llama.cpp's names for general.file_type (llama_ftype).
var fileTypes = map[uint64]string{
	0: "all F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1",
	10: "Q2_K - Medium", 11: "Q3_K - Small", 12: "Q3_K - Medium", 13: "Q3_K - Large",
	14: "Q4_K - Small", 15: "Q4_K - Medium", 16: "Q5_K - Small", 17: "Q5_K - Medium", 18: "Q6_K", 32: "BF16",
}

// ModelType describes a model in llama-bench's way: architecture, size, types of
// weights, as in "llama 24B Q4_K - Medium".
func ModelType(e *engine.Engine) string {
	s := e.Model.Config.Architecture + " " + SizeLabel(e)
	if t := FileType(e); t != "" {
		s += " " + t
	}
	return s
}

// SizeLabel is a model's number of weights as its file names it, else counted: "24B".
func SizeLabel(e *engine.Engine) string {
	if v, ok := e.Model.File.Get("general.size_label"); ok {
		if s, ok := v.Str(); ok && len(s) > 0 && len(s) < 20 {
			return s
		}
	}
	return count(Params(e))
}

// FileType is what a model's file says of the types of its weights, as in "Q4_K - Medium";
// "" where it says nothing.
func FileType(e *engine.Engine) string {
	if v, ok := e.Model.File.Get("general.file_type"); ok {
		if n, ok := v.Uint(); ok {
			return fileTypes[n]
		}
	}
	return ""
}

// Params returns the number of weights of a model.
func Params(e *engine.Engine) (n int64) {
	for _, t := range e.Model.File.Tensors {
		n += int64(t.Elems())
	}
	return n
}

// Bytes returns the size of the weights of a model.
func Bytes(e *engine.Engine) (n int64) {
	for _, t := range e.Model.File.Tensors {
		n += t.Size
	}
	return n
}

// count prints a number of weights the way models are named: 24B, 1.2B, 8M.
func count(n int64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "B"}, {1e6, "M"}, {1e3, "K"}} {
		x := float64(n) / u.size
		switch {
		case x >= 9.95:
			return fmt.Sprintf("%.0f%s", x, u.name)
		case x >= 0.995:
			return fmt.Sprintf("%.1f%s", x, u.name)
		}
	}
	return fmt.Sprint(n)
}
