package shaders

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eclat/loader/quant"
)

// The length of the table: a variant added or lost by accident shows.
const (
	variants = 26 // without those of the types of weights
	perType  = 4
	ofBytes  = 3 // more of a type of integers
)

func TestTable(t *testing.T) {
	table := Table()
	want := variants + perType*len(Types)
	for _, t := range Types {
		if t.Integers() {
			want += ofBytes
		}
	}
	if len(table) != want {
		t.Errorf("%d variants, want %d", len(table), want)
	}
	seen := map[string]bool{}
	for _, v := range table {
		if seen[v.Name] {
			t.Errorf("%s is there twice", v.Name)
		}
		seen[v.Name] = true
		if v.PushWords > 32 {
			t.Errorf("%s: %d words of push constants; every device has 32", v.Name, v.PushWords)
		}
	}
}

// TestGrids: the shaders know how long the tables of package quant are, in words.
func TestGrids(t *testing.T) {
	for _, ty := range Types {
		text, err := os.ReadFile("type/" + TypeName(ty) + ".glsl")
		if err != nil {
			t.Fatal(err)
		}
		_, points := quant.GridOf(ty)
		line := fmt.Sprintf("#define GRID %d\n", len(points)/2)
		if has := strings.Contains(string(text), "#define GRID "); has != (points != nil) || has && !strings.Contains(string(text), line) || len(points)%8 != 0 {
			t.Errorf("%s: package quant has a table of %d points, not whole quads or not what the shader has", ty, len(points))
		}
	}
}

// TestManifest catches a source that was edited without go generate, and a binary
// that is not the one generated. It needs no compiler.
func TestManifest(t *testing.T) {
	m, err := ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	table := Table()
	if len(m.Sources) != len(table) || len(m.Binaries) != len(table) {
		t.Errorf("the manifest has %d variants, the table %d: run go generate ./shaders", len(m.Sources), len(table))
	}
	total := 0
	for _, v := range table {
		source, err := SourceHash(os.DirFS("."), &v)
		if err != nil {
			t.Fatal(err)
		}
		_, spirv := Find(v.Name)
		sum := sha256.Sum256(spirv)
		if m.Sources[v.Name] != source {
			t.Errorf("%s: the source was edited, not regenerated: run go generate ./shaders", v.Name)
		}
		if m.Binaries[v.Name] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: the binary is not the generated one: run go generate ./shaders", v.Name)
		}
		total += len(spirv)
	}
	if files, _ := filepath.Glob("spv/*.spv"); len(files) != len(table) {
		t.Errorf("%d binaries for %d variants", len(files), len(table))
	}
	// The products of a type serve experts too, by specialization constants.
	if limit := 512<<10 + len(Types)*184<<10; total > limit {
		t.Errorf("%d bytes of SPIR-V for %d types, over %d: use specialization constants instead of variants", total, len(Types), limit)
	}
}

// TestSources wants every source to be used.
func TestSources(t *testing.T) {
	used := map[string]bool{}
	for _, v := range Table() {
		files, err := sources(os.DirFS("."), &v)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			used[f.name] = true
		}
	}
	for _, pattern := range []string{"*/*.comp", "*/*.glsl", "*.comp", "*.glsl"} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			if !used[f] {
				t.Errorf("no variant uses %s", f)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	if _, err := exec.LookPath("spirv-val"); err != nil {
		t.Skipf("spirv-val is not there: %v", err)
	}
	for _, v := range Table() {
		msg, err := exec.Command("spirv-val", "--target-env", "vulkan1.1", filepath.Join("spv", v.Name+".spv")).CombinedOutput()
		switch {
		case err == nil:
		case slices.Contains(v.Defines, "COOP=1") && strings.Contains(string(msg), "Invalid capability"):
			t.Logf("%s: spirv-val is older than its matrices; the validation layer looks at it", v.Name)
		default:
			t.Errorf("%s: %v\n%s", v.Name, err, msg)
		}
	}
}

// TestSpecIDs: SPIR-V wants every specialization constant to have an id of its own,
// and spirv-val does not look. (A size given by local_size_x_id and by a constant
// of the same id are two.)
func TestSpecIDs(t *testing.T) {
	const opDecorate, specID = 71, 1
	for _, v := range Table() {
		_, spirv := Find(v.Name)
		word := func(i int) uint32 { return binary.LittleEndian.Uint32(spirv[4*i:]) }
		seen := map[uint32]bool{}
		for i := 5; i < len(spirv)/4; i += int(word(i) >> 16) { // behind the header
			if word(i)&0xffff == opDecorate && word(i+2) == specID {
				if seen[word(i+3)] {
					t.Errorf("%s: two constants have id %d", v.Name, word(i+3))
				}
				seen[word(i+3)] = true
			}
		}
	}
}
