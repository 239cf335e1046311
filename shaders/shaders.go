package shaders

import (
	"embed"
	"encoding/json"
	"fmt"
	"sync"
)

//go:embed spv
var binaries embed.FS

// Manifest records what the binaries were made from.
type Manifest struct {
	Compiler string            // and the versions of its parts: the one shaders/gen is pinned to
	Sources  map[string]string // variant → SHA-256 of its source, includes and defines
	Binaries map[string]string // variant → SHA-256 of its SPIR-V
}

// ReadManifest returns the committed manifest.
func ReadManifest() (*Manifest, error) {
	data, err := binaries.ReadFile("spv/manifest.json")
	if err != nil {
		return nil, fmt.Errorf("shaders: %w", err)
	}
	m := new(Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("shaders: manifest.json: %w", err)
	}
	return m, nil
}

var byName = sync.OnceValue(func() map[string]*Variant {
	m := map[string]*Variant{}
	table := Table()
	for i := range table {
		m[table[i].Name] = &table[i]
	}
	return m
})

// Find returns the variant of a name and its SPIR-V. A name that is not in the
// table is a programmer's mistake and panics.
func Find(name string) (*Variant, []byte) {
	v := byName()[name]
	if v == nil {
		panic("shaders: no variant " + name)
	}
	spirv, err := binaries.ReadFile("spv/" + name + ".spv")
	if err != nil {
		panic("shaders: run go generate ./shaders: " + err.Error())
	}
	return v, spirv
}

// Has reports whether the table has a variant.
func Has(name string) bool { return byName()[name] != nil }
