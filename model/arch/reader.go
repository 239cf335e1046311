package arch

import (
	"fmt"
	"math"

	"eclat/loader"
	"eclat/model"
)

// Bounds on a configuration, so that no product of two of them overflows and no
// loop over them is endless. They are far above any model in use.
const (
	maxLayers = 1 << 12
	maxHeads  = 1 << 14
	maxWidth  = 1 << 22 // n_embd, n_ff, head sizes
	maxVocab  = 1 << 24
	maxCtx    = 1 << 30
)

// reader reads metadata below the architecture's prefix and keeps the
// first fault.
type reader struct {
	file *loader.File
	arch string
	err  error

	varied bool // the family's layers have heads and widths of their own, in arrays
}

func (r *reader) key(name string) string { return r.arch + "." + name }

// unsupported is fail for a sound file of a kind that cannot be run.
func (r *reader) unsupported(name, format string, args ...any) {
	if r.err == nil {
		r.err = model.Unsupported(r.file.Errorf(r.key(name), format, args...))
	}
}

func (r *reader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = r.file.Errorf(r.key(name), format, args...)
	}
}

// has reports whether the key is there.
func (r *reader) has(name string) bool {
	_, ok := r.file.Get(r.key(name))
	return ok
}

// size reads a required integer from 1 to limit.
func (r *reader) size(name string, limit int) int {
	v, ok := r.file.Get(r.key(name))
	if !ok {
		r.fail(name, "the key is missing")
		return 1
	}
	u, ok := v.Uint()
	if !ok && v.Type == loader.Array {
		r.unsupported(name, "a different value for each layer is not supported")
		return 1
	}
	if !ok || u == 0 || u > uint64(limit) {
		r.fail(name, "%s is not a number from 1 to %d", brief(v), limit)
		return 1
	}
	return int(u)
}

// sizeOr is size with a default for an absent key.
func (r *reader) sizeOr(name string, limit, def int) int {
	if !r.has(name) {
		return def
	}
	return r.size(name, limit)
}

// float reads a finite number, or def where the key is absent.
func (r *reader) float(name string, def float64) float64 {
	v, ok := r.file.Get(r.key(name))
	if !ok {
		return def
	}
	f, ok := v.Float()
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		r.fail(name, "%s is not a finite number", brief(v))
		return def
	}
	return f
}

// brief prints a value for an error message: a number as it is, of anything that
// may be long only its type.
func brief(v loader.Value) string {
	if v.Type == loader.String || v.Type == loader.Array {
		return "a value of type " + v.Type.String()
	}
	return fmt.Sprint(v.Any(0))
}

// str reads a string, or def where the key is absent.
func (r *reader) str(name, def string) string {
	v, ok := r.file.Get(r.key(name))
	if !ok {
		return def
	}
	s, ok := v.Str()
	if !ok {
		r.fail(name, "not a string")
	}
	return s
}

// headDim returns the rows of a projection divided by its heads, 0 where that is
// not a whole number.
func headDim(f *loader.File, name string, heads int) int {
	t := f.Tensor(name)
	if t == nil || t.Rows()%heads != 0 {
		return 0
	}
	return t.Rows() / heads
}

// truth reads a truth value, or def where the key is absent.
func (r *reader) truth(name string, def bool) bool {
	v, ok := r.file.Get(r.key(name))
	if !ok {
		return def
	}
	b, ok := v.Bool()
	if !ok {
		r.fail(name, "%s is not a truth value", brief(v))
	}
	return b
}

// largest reads an integer from 1 to limit, def where the key is absent: in a family whose
// layers vary the largest of an array.
func (r *reader) largest(name string, limit, def int) int {
	v, ok := r.file.Get(r.key(name))
	switch {
	case !ok && def > 0:
		return def
	case !ok || v.Type != loader.Array || !r.varied:
		return r.size(name, limit)
	}
	u, _ := v.Uints()
	most := uint64(0)
	for _, n := range u {
		most = max(most, n)
	}
	if most == 0 || most > uint64(limit) {
		r.fail(name, "the largest of its %d values is not a number from 1 to %d", v.Len, limit)
		return 1
	}
	return int(most)
}

// layers reads an integer from 0 to limit for each of n layers: an array, or one number
// for all; def where the key is absent.
func (r *reader) layers(name string, n, limit, def int) []int {
	all := make([]int, n)
	v, ok := r.file.Get(r.key(name))
	switch {
	case !ok:
	case v.Type != loader.Array:
		def = r.size(name, limit)
	default:
		u, ok := v.Uints()
		if !ok || len(u) < n { // layers that are not run may be counted too
			r.fail(name, "%d values, but the model has %d layers", v.Len, n)
			return all
		}
		for l := range all {
			if u[l] > uint64(limit) {
				r.fail(name, "%d in layer %d is not a number from 0 to %d", u[l], l, limit)
				return all
			}
			all[l] = int(u[l])
		}
		return all
	}
	for l := range all {
		all[l] = def
	}
	return all
}

// count reads an integer that may be absent, 0 then.
func (r *reader) count(name string) uint64 {
	v, ok := r.file.Get(r.key(name))
	if !ok {
		return 0
	}
	n, _ := v.Uint()
	return n
}

// pooling reads how the model's embeddings are made, where it is made for them.
func (r *reader) pooling() model.Pooling {
	v, ok := r.file.Get(r.key("pooling_type"))
	if !ok {
		return model.NoPooling
	}
	n, ok := v.Uint()
	if !ok || n > uint64(model.LastPooling) { // 4 is a ranking: no embedding
		return model.NoPooling
	}
	return model.Pooling(n)
}

// drafts leaves aside the last layers where they draft tokens: they are among block_count.
func (r *reader) drafts(c *model.Config) {
	n := r.count("nextn_predict_layers")
	if r.err == nil && n >= uint64(c.NLayer) {
		r.fail("nextn_predict_layers", "%d of %d layers", n, c.NLayer)
		return
	}
	c.NLayer, c.NDraft = c.NLayer-int(n), int(n)
}
