package ref

import (
	"context"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-gl/mathgl/mgl32"

	"eclat/cpu/goldentest"
	"eclat/model"
	"eclat/model/numerics"
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
	may := []string{"eclat/cpu/host", "eclat/loader", "eclat/loader/quant", "eclat/model", "eclat/model/numerics", "eclat/model/sample"}
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

// TestRotation holds the rotation of a pair against mathgl's matrices.
func TestRotation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		pos, freq := int32(r.IntN(1<<17)), math.Pow(1e6, -r.Float64())
		cos, sin := numerics.Turn(pos, freq, 1)
		v := mgl32.Vec2{r.Float32()*2 - 1, r.Float32()*2 - 1}
		x, y := numerics.Rotate(v[0], v[1], cos, sin)
		angle := math.Mod(float64(pos)*freq, 2*math.Pi)
		want := mgl32.Rotate2D(float32(angle)).Mul2x1(v)
		if d := (mgl32.Vec2{x, y}).Sub(want).Len(); d > 1e-6 { // its angle is a float32 below 2π
			t.Fatalf("%v at %d·%g became (%g, %g), want %v", v, pos, freq, x, y, want)
		}
	}
}
