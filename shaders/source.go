package shaders

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
)

// Compiler is the command of the one compiler of all shaders, as .ci/drivers fetches it,
// from a folder of the repository's root: a script runs it with its own libraries.
var Compiler = []string{"../bin/drivers/glslc/run", "../bin/drivers/glslc/root/usr/bin/glslc"}

// Flags are the compiler's, before a variant's defines. Includes are written as paths
// from this folder. No -g: it embeds paths.
var Flags = []string{"--target-env=vulkan1.1", "-O", "-Werror", "-I."}

var includeLine = regexp.MustCompile(`(?m)^#include "([^"]+)"`)

type source struct {
	name string
	text []byte
}

// sources returns a variant's source and all that it includes, from the folder.
func sources(dir fs.FS, v *Variant) ([]source, error) {
	names := []string{v.Source}
	var files []source
	for i := 0; i < len(names); i++ {
		text, err := fs.ReadFile(dir, names[i])
		if err != nil {
			return nil, fmt.Errorf("shaders: %s: %w", v.Name, err)
		}
		files = append(files, source{names[i], text})
		for _, m := range includeLine.FindAllStringSubmatch(string(text), -1) {
			if name := m[1]; !slices.Contains(names, name) && includes(v, name) {
				names = append(names, name)
			}
		}
	}
	return files, nil
}

// includes reports whether the variant may include a file: of the types' files
// only its own, so that a change in one type leaves the others' hashes alone.
func includes(v *Variant, file string) bool {
	for _, t := range Types {
		if "type/"+TypeName(t)+".glsl" == file {
			return slices.Contains(v.Defines, fmt.Sprintf("TYPE=%d", t))
		}
	}
	return true
}

// Files names the files of the folder that a variant is compiled from.
func Files(dir fs.FS, v *Variant) (names []string, err error) {
	files, err := sources(dir, v)
	for _, f := range files {
		names = append(names, f.name)
	}
	return names, err
}

// SourceHash returns the SHA-256 of everything that a variant's binary depends on
// but the compiler: flags, defines, and its source with all includes of the folder.
func SourceHash(dir fs.FS, v *Variant) (string, error) {
	files, err := sources(dir, v)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", Flags, v.Defines)
	for _, f := range files {
		fmt.Fprintf(h, "%s %d\n%s", f.name, len(f.text), f.text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Arguments returns the compiler's arguments for a variant.
func Arguments(v *Variant, out string) []string {
	args := slices.Clone(Flags)
	for _, d := range v.Defines {
		args = append(args, "-D"+d)
	}
	return append(args, v.Source, "-o", out)
}
