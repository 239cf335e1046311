package fragment

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"eclat/loader"
	"eclat/loader/manifest"
)

// Problem is a blob, or a chunk of one, that is missing or damaged.
type Problem struct {
	Blob      manifest.Sum
	Size      int64    // bytes of the blob
	Chunk     int      // from 0, or −1 for the whole blob
	What      string   // "missing", "damaged", or "damaged: " and the reason
	Fragments []string // that the blob is part of
	Tensors   []string // that it is; "(header)" for the bytes that are no tensor
}

// String is one line: what, blob, chunk with its bytes, fragments and tensors.
func (p Problem) String() string {
	s := p.What + "  blob " + p.Blob.String()
	if p.Chunk >= 0 {
		from := int64(p.Chunk) * manifest.ChunkBytes
		s += fmt.Sprintf("  chunk %d (bytes %d–%d)", p.Chunk, from, min(from+manifest.ChunkBytes, p.Size)-1)
	}
	return s + "  " + strings.Join(p.Fragments, ", ") + "  " + strings.Join(p.Tensors, ", ")
}

// Report says what Verify found.
type Report struct {
	Path     string // of the manifest
	ID       manifest.Sum
	Blobs    int   // looked at
	Bytes    int64 // in them
	Problems []Problem
	order    []string // all fragments of the manifest
}

// Err is nil without problems, else a *loader.FormatError that counts them.
func (r *Report) Err() error {
	if len(r.Problems) == 0 {
		return nil
	}
	blobs, fragments := map[manifest.Sum]bool{}, map[string]bool{}
	for _, p := range r.Problems {
		blobs[p.Blob] = true
		for _, f := range p.Fragments {
			fragments[f] = true
		}
	}
	var names []string
	for _, f := range r.order {
		if fragments[f] {
			names = append(names, f)
		}
	}
	return &loader.FormatError{Path: r.Path, Field: "fragments", Offset: -1,
		Reason: fmt.Sprintf("missing or damaged: %s (%d of %d blobs)", strings.Join(names, ", "), len(blobs), r.Blobs)}
}

// Layers is a range of layers, both ends included.
type Layers struct{ First, Last int }

// Verify reads the blobs of the manifest at path, or of the only one in the folder
// at path, and checks every sum. With layers only the header and these layers are
// looked at, and not the sum of the source. Problems are in the Report; the error
// is for a manifest that is not sound and for files that cannot be read.
func Verify(ctx context.Context, path string, layers *Layers, o Options) (*Report, error) {
	r, err := openReader(path)
	if err != nil {
		return nil, err
	}
	defer r.close()
	v := newVerifier(r)
	if err := v.choose(layers); err != nil {
		return nil, err
	}
	if err := v.look(); err != nil {
		return nil, err
	}
	if err := v.sum(ctx, layers == nil, o.Progress); err != nil {
		return nil, err
	}
	slices.SortFunc(v.report.Problems, func(a, b Problem) int {
		if c := bytes.Compare(a.Blob[:], b.Blob[:]); c != 0 {
			return c
		}
		return a.Chunk - b.Chunk
	})
	if len(v.report.Problems) == 0 { // then its header can be read
		f, err := loader.OpenBlobs(r.path, r.m, r.root.Name())
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	return &v.report, nil
}

// verifier is one run of Verify.
type verifier struct {
	*reader
	report Report
	users  map[manifest.Sum]*Problem // the chosen blobs, each with a Problem to report it by
	broken map[manifest.Sum]bool     // not worth reading
}

func newVerifier(r *reader) *verifier {
	v := &verifier{reader: r, report: Report{Path: r.path, ID: r.m.ID}, users: map[manifest.Sum]*Problem{}, broken: map[manifest.Sum]bool{}}
	for _, f := range r.m.Fragments {
		v.report.order = append(v.report.order, f.Name)
	}
	return v
}

// use chooses a blob as the given tensor of a fragment.
func (v *verifier) use(sum manifest.Sum, fragment, tensor string) {
	u := v.users[sum]
	if u == nil {
		u = &Problem{Blob: sum, Size: v.m.Blob(sum).Size}
		v.users[sum] = u
	}
	if !slices.Contains(u.Fragments, fragment) {
		u.Fragments = append(u.Fragments, fragment)
	}
	if !slices.Contains(u.Tensors, tensor) {
		u.Tensors = append(u.Tensors, tensor)
	}
}

// choose picks the blobs to verify.
func (v *verifier) choose(layers *Layers) error {
	for _, p := range v.m.Source.Parts {
		v.use(p.Header, manifest.HeaderFragment, "(header)")
	}
	want := func(string) bool { return true }
	if layers != nil {
		if layers.Last-layers.First >= len(v.m.Fragments) {
			return &LayersError{v.path, *layers}
		}
		names := map[string]bool{manifest.HeaderFragment: true}
		for l := layers.First; l <= layers.Last; l++ {
			names[manifest.LayerFragment(l)] = true
		}
		found := 0
		for _, f := range v.m.Fragments {
			if names[f.Name] {
				found++
			}
		}
		if found < len(names) {
			return &LayersError{v.path, *layers}
		}
		want = func(name string) bool { return names[name] }
	}
	blobs := make(map[string]manifest.Sum, len(v.m.Tensors))
	for _, t := range v.m.Tensors {
		blobs[t.Name] = t.Blob
	}
	for _, f := range v.m.Fragments {
		if want(f.Name) {
			for _, t := range f.Tensors {
				v.use(blobs[t], f.Name, t)
			}
		}
	}
	return nil
}

// LayersError says that a model has not all of the layers asked for.
type LayersError struct {
	Path   string
	Layers Layers
}

func (e *LayersError) Error() string {
	return fmt.Sprintf("%s: the model does not have layers %d to %d", e.Path, e.Layers.First, e.Layers.Last)
}

func (v *verifier) problem(sum manifest.Sum, chunk int, what string) {
	p := *v.users[sum]
	p.Chunk, p.What = chunk, what
	v.report.Problems = append(v.report.Problems, p)
}

// look finds out which blobs are there.
func (v *verifier) look() error {
	for sum := range v.users {
		b := v.m.Blob(sum)
		v.report.Blobs++
		v.report.Bytes += b.Size
		what, err := v.state(b)
		if err != nil {
			return err
		}
		if what != "" {
			v.broken[sum] = true
			v.problem(sum, -1, what)
		}
	}
	return nil
}

// sum reads what is there: headers first, then the tensors in the order of the
// source, which gives the source's sum on the way if source is set.
func (v *verifier) sum(ctx context.Context, source bool, progress func(done, total int64)) error {
	var list []*manifest.Blob
	var spans []span
	seen := map[manifest.Sum]bool{}
	add := func(s span, b *manifest.Blob) {
		s.sums = b != nil && !seen[b.Sum] // sums of a gap, or of a blob again, are of no use
		if s.sums {
			seen[b.Sum] = true
		}
		list, spans = append(list, b), append(spans, s)
	}
	for _, p := range v.m.Source.Parts {
		if !v.broken[p.Header] && !seen[p.Header] {
			b := v.m.Blob(p.Header)
			add(v.span(b), b)
		}
	}
	done := func(i int, s sums) error { v.compare(list[i], s); return nil }
	if err := (&pump{done: done}).run(ctx, spans); err != nil {
		return err
	}
	source = source && len(v.report.Problems) == 0
	list, spans = nil, nil
	var moved, total int64
	for _, e := range layout(v.m.Tensors, v.sizes()) {
		if e.tensor == gap {
			if source {
				add(v.extentSpan(e), nil)
				total += e.size
			}
			continue
		}
		b := v.m.Blob(v.m.Tensors[e.tensor].Blob)
		if v.users[b.Sum] != nil && !v.broken[b.Sum] && (source || !seen[b.Sum]) {
			add(v.extentSpan(e), b)
			total += e.size
		}
	}
	p := pump{done: done, moved: func(n int64) {
		if moved += n; progress != nil {
			progress(moved, total)
		}
	}}
	if source {
		p.whole = sha256.New()
	}
	if err := p.run(ctx, spans); err != nil {
		return err
	}
	if source && len(v.report.Problems) == 0 {
		if s := manifest.Sum(p.whole.Sum(nil)); s != v.m.Source.Sum {
			return &loader.FormatError{Path: v.path, Field: "source.sha256", Offset: -1,
				Reason: fmt.Sprintf("the blobs are sound, but together their sha256 is %s instead of %s", s, v.m.Source.Sum)}
		}
	}
	return nil
}

// compare reports the chunks of a blob whose sums are wrong.
func (v *verifier) compare(b *manifest.Blob, s sums) {
	sound := true
	for i := range b.Chunks {
		if s.chunks[i] != b.Chunks[i] {
			sound = false
			v.problem(b.Sum, i, "damaged")
		}
	}
	if sound && s.blob != b.Sum {
		v.problem(b.Sum, -1, "damaged: the chunks are sound, but together their sha256 is "+s.blob.String())
	}
}
