package ref

import (
	"context"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/cpu/goldentest"
	"eclat/loader/quant"
	"eclat/model"
)

func open() (model.Backend, error) {
	return Device().Open(context.Background(), model.OpenOptions{})
}

func TestGolden(t *testing.T) { goldentest.Run(t, open) }

func TestEveryOp(t *testing.T) {
	for op, f := range ops {
		if f == nil {
			t.Errorf("no %s", model.Op(op))
		}
	}
}

// TestIndependent: what judges the fast backend shares no code with it.
func TestIndependent(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	may := []string{"eclat/cpu/host", "eclat/loader", "eclat/loader/quant", "eclat/model", "eclat/model/sample"}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			if path := strings.Trim(imp.Path.Value, `"`); strings.HasPrefix(path, "eclat/") && !slices.Contains(may, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// TestHalf holds the rounding to its definition: of all halves the nearest, ties to
// the even one, and every half to itself.
func TestHalf(t *testing.T) {
	for h := range uint16(0x7c00) {
		x := float64(quant.HalfToFloat(h))
		if got := half(x); got != h {
			t.Fatalf("half(%g) = %#x, want %#x", x, got, h)
		}
		if got := half(-x); got != h|0x8000 {
			t.Fatalf("half(%g) = %#x, want %#x", -x, got, h|0x8000)
		}
		if h == 0x7bff {
			break
		}
		next := float64(quant.HalfToFloat(h + 1))
		mid := (x + next) / 2
		for x, want := range map[float64]uint16{mid: h + h&1, math.Nextafter(mid, 0): h, math.Nextafter(mid, next): h + 1} {
			if got := half(x); got != want {
				t.Fatalf("half(%g) = %#x, want %#x", x, got, want)
			}
		}
	}
	if half(math.Inf(1)) != 0x7bff || half(-1e9) != 0xfbff || half(math.NaN()) != 0x7e00 {
		t.Error("the ends")
	}
}
