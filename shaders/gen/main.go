// Command gen compiles every variant of package shaders with glslc and writes
// spv/ anew. It runs in the folder shaders, by go generate.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"eclat/shaders"
)

func main() {
	if err := generate("spv"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate fills the folder out with the binaries and the manifest.
func generate(out string) error {
	version, err := exec.Command("glslc", "--version").Output()
	if err != nil {
		return fmt.Errorf("glslc --version: %w (Debian: apt-get install glslc)", err)
	}
	old, err := filepath.Glob(filepath.Join(out, "*.spv"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	table := shaders.Table()
	m := shaders.Manifest{Compiler: strings.SplitN(string(version), "\n", 2)[0], Sources: map[string]string{}, Binaries: map[string]string{}}
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		slots = make(chan struct{}, runtime.NumCPU())
		errs  []string
	)
	for i := range table {
		v := &table[i]
		wg.Go(func() {
			slots <- struct{}{}
			source, binary, err := compile(out, v)
			<-slots
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err.Error())
			}
			m.Sources[v.Name], m.Binaries[v.Name] = source, binary
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return fmt.Errorf("%s", strings.Join(errs, "\n"))
	}
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "manifest.json"), append(data, '\n'), 0o644)
}

// compile makes one variant's binary and returns the hashes of source and binary.
func compile(out string, v *shaders.Variant) (source, binary string, err error) {
	if source, err = shaders.SourceHash(os.DirFS("."), v); err != nil {
		return "", "", err
	}
	file := filepath.Join(out, v.Name+".spv")
	if msg, err := exec.Command("glslc", shaders.Arguments(v, file)...).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("glslc %s: %w\n%s", v.Name, err, msg)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256(data)
	return source, hex.EncodeToString(sum[:]), nil
}
