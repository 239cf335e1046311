package quantize

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"eclat/loader"
	"eclat/loader/atomicfile"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// Sizes in elements. Both are multiples of every block, and so is a row, so that no
// piece cuts a block in two.
const (
	chunk = 1 << 20 // of a tensor in memory at once
	piece = 1 << 14 // of a chunk for one worker
)

// splitName matches the names of the files of a split model.
var splitName = regexp.MustCompile(`^(.*)-00001-of-(\d{5})\.gguf$`)

// Paths returns the files that Write makes of path: for NAME-00001-of-00003.gguf three.
func Paths(path string) []string {
	m := splitName.FindStringSubmatch(path)
	if m == nil {
		return []string{path}
	}
	count, _ := strconv.Atoi(m[2])
	var paths []string
	for i := range count {
		paths = append(paths, ggufwrite.PartName(m[1], i, count))
	}
	return paths
}

// Write writes the files of path and fills in each tensor's Loss. None of them may
// exist. progress is told of the bytes that were read, of how many.
func (p *Plan) Write(ctx context.Context, path string, progress func(done, total int64)) error {
	paths := Paths(path)
	if len(paths) == 0 || len(paths) > len(p.Items) {
		return fmt.Errorf("%s: %d files for %d tensors", path, len(paths), len(p.Items))
	}
	var total, done int64
	for _, it := range p.Items {
		total += it.Tensor.Size
	}
	w := &writer{ctx: ctx, f: p.f, read: func(n int64) { done += n; progress(done, total) }}
	var files []*atomicfile.File
	for i, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		file, err := atomicfile.Create(path, atomicfile.Options{Sync: true})
		if err != nil {
			return err
		}
		defer file.Abort()
		files = append(files, file)
		w.w, w.n = file, 0
		items := p.Items[len(p.Items)*i/len(paths) : len(p.Items)*(i+1)/len(paths)]
		var head []byte
		if err := loader.Guard(func() error { head = p.header(items, i, len(paths)); return nil }); err != nil {
			return err
		}
		if err := w.write(head); err != nil {
			return err
		}
		for _, it := range items {
			if err := w.tensor(it, p.alignment()); err != nil {
				return err
			}
		}
	}
	for _, file := range files {
		if err := file.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// writer writes one file after another.
type writer struct {
	ctx  context.Context
	f    *loader.File
	read func(n int64)
	w    io.Writer
	n    int64 // bytes of the file so far
	out  []byte
}

func (w *writer) write(b []byte) error {
	n, err := w.w.Write(b)
	w.n += int64(n)
	return err
}

// tensor writes a tensor and the padding after it.
func (w *writer) tensor(it *Item, alignment int64) error {
	t := it.Tensor
	if err := w.f.Map(t.Name); err != nil {
		return err
	}
	from, to := blocks{t.Type}, blocks{it.Type}
	var lost, all float64
	for at, n := 0, t.Elems(); at < n; at += chunk {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		count := min(chunk, n-at)
		src := t.Data[from.bytes(at):from.bytes(at+count)]
		if size := to.bytes(count); cap(w.out) < size {
			w.out = make([]byte, size)
		}
		out := w.out[:to.bytes(count)]
		if it.Changes() {
			l, a, err := encode(it, out, src, at, count)
			if err != nil {
				return err
			}
			lost, all = lost+l, all+a
		} else if err := loader.Guard(func() error { copy(out, src); return nil }); err != nil {
			return err
		}
		if err := w.write(out); err != nil {
			return err
		}
		w.read(int64(len(src)))
	}
	if all > 0 {
		it.Loss = math.Sqrt(lost / all)
	}
	return w.write(make([]byte, align(w.n, alignment)-w.n))
}

// blocks counts bytes of a type.
type blocks struct{ t quant.Type }

// bytes of n elements, whole blocks.
func (b blocks) bytes(n int) int {
	elems, bytes := b.t.Block()
	return n / elems * bytes
}

// encode writes n elements of a tensor, from number first on, as another type, in
// parallel, and returns the sums of the squares of the errors and of the elements.
func encode(it *Item, dst, src []byte, first, n int) (lost, all float64, err error) {
	t, to := it.Tensor, it.Type
	from, out := blocks{t.Type}, blocks{to}
	type result struct {
		lost, all float64
		err       error
	}
	results := make([]result, (n+piece-1)/piece)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(results)) {
		wg.Go(func() {
			x, y := make([]float32, piece), make([]float32, piece)
			var w []float32
			if it.weights != nil {
				w = make([]float32, piece)
			}
			for {
				i := int(next.Add(1)) - 1
				if i >= len(results) {
					return
				}
				at, end := i*piece, min((i+1)*piece, n)
				x, y, r := x[:end-at], y[:end-at], &results[i]
				if w != nil {
					w = w[:end-at]
					weights(w, it.weights, t, first+at)
				}
				r.err = loader.Guard(func() error {
					quant.Decode(t.Type, x, src[from.bytes(at):from.bytes(end)])
					return nil
				})
				if r.err != nil {
					continue
				}
				r.all = squares(x)
				if math.IsNaN(r.all) || math.IsInf(r.all, 0) {
					r.err = fmt.Errorf("%w: %s has elements that are infinite or no numbers", ErrValues, t.Name)
					continue
				}
				b := dst[out.bytes(at):out.bytes(end)]
				quant.Encode(to, b, x, w)
				quant.Decode(to, y, b)
				r.lost = apart(x, y)
				if math.IsNaN(r.lost) || math.IsInf(r.lost, 0) {
					r.err = fmt.Errorf("%w: %s has elements too large for %s", ErrValues, t.Name, to)
				}
			}
		})
	}
	wg.Wait()
	for _, r := range results {
		if r.err != nil {
			return 0, 0, r.err
		}
		lost, all = lost+r.lost, all+r.all
	}
	return lost, all, nil
}
