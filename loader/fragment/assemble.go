package fragment

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"eclat/loader"
	"eclat/loader/atomicfile"
	"eclat/loader/manifest"
)

// firstPart matches the name of the first file of a split model.
var firstPart = regexp.MustCompile(`^(.*)-00001-of-(\d{5})\.gguf$`)

// PartNames returns the names of the files that Assemble writes for an output
// named out: out itself, or for a source of several files as many, named as split
// models are. out must then be the first of them.
func PartNames(out string, parts int) ([]string, error) {
	if parts == 1 {
		return []string{out}, nil
	}
	m := firstPart.FindStringSubmatch(out)
	if m == nil || m[2] != fmt.Sprintf("%05d", parts) {
		return nil, &NameError{out, parts}
	}
	names := make([]string, parts)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%05d-of-%05d.gguf", m[1], i+1, parts)
	}
	return names, nil
}

// NameError says that several files cannot be named after Out.
type NameError struct {
	Out   string
	Parts int
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s: the model was split into %d files; name the first of them, NAME-00001-of-%05d.gguf", e.Out, e.Parts, e.Parts)
}

// Assembled says what Assemble wrote.
type Assembled struct {
	Paths []string
	Size  int64 // bytes
	Sum   manifest.Sum
}

// Assemble writes the source of the manifest at path, or of the only one in the
// folder at path, as out. Every chunk is checked on the way and the whole at the
// end; only then do the files get their names. Existing files are left alone.
func Assemble(ctx context.Context, path, out string, o Options) (*Assembled, error) {
	r, err := openReader(path)
	if err != nil {
		return nil, err
	}
	defer r.close()
	names, err := PartNames(out, len(r.m.Source.Parts))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := absent(name); err != nil {
			return nil, err
		}
	}
	if err := r.complete(); err != nil {
		return nil, err
	}
	a := &assembler{reader: r, names: names}
	defer a.drop()
	if err := a.write(ctx, o.Progress); err != nil {
		return nil, err
	}
	if err := a.publish(); err != nil {
		return nil, err
	}
	return &Assembled{names, r.m.Source.Size, r.m.Source.Sum}, nil
}

// absent is an error if there is a file of that name.
func absent(name string) error {
	_, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%s: the file exists already", name)
	}
	return err
}

// complete is an error that lists the fragments with a blob that is not there.
func (r *reader) complete() error {
	v := newVerifier(r)
	if err := v.choose(nil); err != nil {
		return err
	}
	if err := v.look(); err != nil {
		return err
	}
	return v.report.Err()
}

// assembler is one run of Assemble.
type assembler struct {
	*reader
	names   []string
	files   []*atomicfile.File // the partial files, while they are open
	extents []extent
}

// write makes the partial files.
func (a *assembler) write(ctx context.Context, progress func(done, total int64)) error {
	for _, name := range a.names {
		f, err := createPartial(name)
		if err != nil {
			return err
		}
		a.files = append(a.files, f)
	}
	var headers []span
	var list []*manifest.Blob
	for _, p := range a.m.Source.Parts {
		b := a.m.Blob(p.Header)
		list, headers = append(list, b), append(headers, a.span(b))
	}
	check := func(i int, s sums) error { return a.check(list[i], s) }
	if err := (&pump{noBlob: true, done: check}).run(ctx, headers); err != nil {
		return err
	}
	a.extents, list = layout(a.m.Tensors, a.sizes()), nil
	spans := make([]span, len(a.extents))
	for i, e := range a.extents {
		spans[i] = a.extentSpan(e)
		var b *manifest.Blob
		if e.tensor != gap {
			b = a.m.Blob(a.m.Tensors[e.tensor].Blob)
		}
		list = append(list, b)
	}
	var done int64
	p := pump{
		whole:  sha256.New(),
		noBlob: true,
		sink: func(i int, data []byte) error {
			return writeAll(a.files[a.extents[i].part], data)
		},
		moved: func(n int64) {
			if done += n; progress != nil {
				progress(done, a.m.Source.Size)
			}
		},
		done: check,
	}
	if err := p.run(ctx, spans); err != nil {
		return err
	}
	if s := manifest.Sum(p.whole.Sum(nil)); s != a.m.Source.Sum {
		return &loader.FormatError{Path: a.path, Field: "source.sha256", Offset: -1,
			Reason: fmt.Sprintf("the chunks are sound, but together their sha256 is %s instead of %s", s, a.m.Source.Sum)}
	}
	return nil
}

// assembling is the end of the names of files that are being assembled. They lie
// wherever the user wants them, so the name says whose they are.
const assembling = ".eclat" + partial

// createPartial begins the file out, anew where a killed run left it. A file that
// another run still writes is left alone, and a link is not followed.
func createPartial(out string) (*atomicfile.File, error) {
	name := out + assembling
	if st, err := os.Lstat(name); err == nil && st.Mode().IsRegular() {
		old, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer old.Close()
		if err := lockFor(out, old); err != nil {
			return nil, err
		}
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := atomicfile.Create(out, atomicfile.Options{Temp: name})
	if err != nil {
		return nil, err
	}
	if err := lockFor(out, f); err != nil {
		f.Close() // the name is no longer this run's to remove
		return nil, err
	}
	return f, nil
}

// check compares the chunks of a blob with the manifest.
func (a *assembler) check(b *manifest.Blob, s sums) error {
	for i := range b.Chunks {
		if s.chunks[i] != b.Chunks[i] {
			path := filepath.Join(a.root.Name(), filepath.FromSlash(b.Sum.BlobName()))
			return &loader.FormatError{Path: path, Field: fmt.Sprintf("chunk %d", i), Offset: int64(i) * manifest.ChunkBytes,
				Reason: "damaged: its sha256 is not what the manifest says"}
		}
	}
	return nil
}

// publish gives the files their names.
func (a *assembler) publish() error {
	for _, f := range a.files {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	for i, f := range a.files {
		if err := absent(a.names[i]); err != nil { // one that came up meanwhile
			return err
		}
		if err := f.Commit(); err != nil {
			return err
		}
	}
	dir, err := os.Open(filepath.Dir(a.names[0]))
	if err != nil {
		return err
	}
	defer dir.Close()
	return syncFolder(dir)
}

// drop removes the partial files that are left.
func (a *assembler) drop() {
	for _, f := range a.files {
		f.Abort()
	}
}
