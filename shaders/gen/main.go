// Command gen compiles every variant of package shaders and writes spv/ anew. It runs
// in the folder shaders, by go generate, with the one compiler that .ci/drivers fetches:
// another version would write other binaries.
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
	"slices"
	"strings"
	"sync"

	"eclat/shaders"
)

// compiler is what glslc --version must say of its parts.
const compiler = "shaderc 2025.2-1, spirv-tools 2025.1~rc1-1, glslang 15.1.0+1.4.309.0-1"

// glslc returns the compiler with its arguments.
func glslc(args ...string) *exec.Cmd {
	return exec.Command(shaders.Compiler[0], slices.Concat(shaders.Compiler[1:], args)...)
}

// checkCompiler wants the compiler to be there and to be the pinned one.
func checkCompiler() error {
	out, err := glslc("--version").Output()
	if err != nil {
		return fmt.Errorf("the shaders' compiler is not there: %w; make drivers fetches it", err)
	}
	parts, _, _ := strings.Cut(string(out), "\n\n")
	if got := strings.ReplaceAll(strings.TrimSpace(parts), "\n", ", "); got != compiler {
		return fmt.Errorf("glslc is %q, the shaders' compiler is %q", got, compiler)
	}
	return nil
}

func main() {
	if err := generate("spv"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate fills the folder out with the binaries and the manifest.
func generate(out string) error {
	if err := checkCompiler(); err != nil {
		return err
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
	m := shaders.Manifest{Compiler: compiler, Sources: map[string]string{}, Binaries: map[string]string{}}
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
	if msg, err := glslc(shaders.Arguments(v, file)...).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("glslc %s: %w\n%s", v.Name, err, msg)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	sum := sha256.Sum256(data)
	return source, hex.EncodeToString(sum[:]), nil
}
