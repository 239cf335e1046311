package model

import (
	"fmt"
	"math"
	"strings"

	"eclat/loader"
)

// Config is a model's shape. All sizes are in elements.
type Config struct {
	Architecture string     `json:"architecture"`
	Name         string     `json:"name"`
	NLayer       int        `json:"n_layer"`    // transformer blocks
	NEmbd        int        `json:"n_embd"`     // width of the residual stream
	NFF          int        `json:"n_ff"`       // width of the feed-forward layer
	NHead        int        `json:"n_head"`     // query heads
	NHeadKV      int        `json:"n_head_kv"`  // key and value heads; divides NHead
	HeadDimK     int        `json:"head_dim_k"` // elements of one query or key head; NHead·HeadDimK need not equal NEmbd
	HeadDimV     int        `json:"head_dim_v"` // elements of one value head
	NVocab       int        `json:"n_vocab"`    // tokens in the vocabulary
	NCtx         int        `json:"n_ctx"`      // positions the model was trained for
	RMSEps       float32    `json:"rms_eps"`    // ε of RMSNorm
	Rope         RopeConfig `json:"rope"`
}

// Bounds on a configuration, so that no product of two of them overflows and no
// loop over them is endless. They are far above any model in use.
const (
	maxLayers = 1 << 12
	maxHeads  = 1 << 14
	maxWidth  = 1 << 22 // n_embd, n_ff, head sizes
	maxVocab  = 1 << 24
	maxCtx    = 1 << 30
)

// configReader reads metadata below the architecture's prefix and keeps the
// first fault.
type configReader struct {
	file *loader.File
	arch string
	err  error
}

func (r *configReader) key(name string) string { return r.arch + "." + name }

// unsupported is fail for a sound file of a kind that cannot be run.
func (r *configReader) unsupported(name, format string, args ...any) {
	if r.err == nil {
		r.err = UnsupportedError{r.file.Errorf(r.key(name), format, args...)}
	}
}

func (r *configReader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = r.file.Errorf(r.key(name), format, args...)
	}
}

// has reports whether the key is there.
func (r *configReader) has(name string) bool {
	_, ok := r.file.Get(r.key(name))
	return ok
}

// size reads a required integer from 1 to limit.
func (r *configReader) size(name string, limit int) int {
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
func (r *configReader) sizeOr(name string, limit, def int) int {
	if !r.has(name) {
		return def
	}
	return r.size(name, limit)
}

// float reads a finite number, or def where the key is absent.
func (r *configReader) float(name string, def float64) float64 {
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
func (r *configReader) str(name, def string) string {
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

// readConfig reads what all llama-like architectures share and checks it against
// the tensors' shapes.
func readConfig(f *loader.File, arch string) (Config, error) {
	r := &configReader{file: f, arch: arch}
	c := Config{
		Architecture: arch,
		NLayer:       r.size("block_count", maxLayers),
		NEmbd:        r.size("embedding_length", maxWidth),
		NFF:          r.size("feed_forward_length", maxWidth),
		NHead:        r.size("attention.head_count", maxHeads),
		NCtx:         r.size("context_length", maxCtx),
		RMSEps:       float32(r.float("attention.layer_norm_rms_epsilon", 1e-5)),
	}
	c.NHeadKV = r.sizeOr("attention.head_count_kv", maxHeads, c.NHead)
	if v, ok := f.Get("general.name"); ok {
		c.Name, _ = v.Str()
	}
	if r.err == nil && c.NHead%c.NHeadKV != 0 {
		r.fail("attention.head_count_kv", "%d query heads cannot share %d key heads evenly", c.NHead, c.NHeadKV)
	}
	if r.err == nil && (c.RMSEps < 0 || c.RMSEps > 1) {
		r.fail("attention.layer_norm_rms_epsilon", "%g is not from 0 to 1", c.RMSEps)
	}
	// Without key_length the head size is what the tensors say, never n_embd / n_head.
	c.HeadDimK = r.sizeOr("attention.key_length", maxWidth, headDim(f, "blk.0.attn_q.weight", c.NHead))
	c.HeadDimV = r.sizeOr("attention.value_length", maxWidth, headDim(f, "blk.0.attn_v.weight", c.NHeadKV))
	if r.err == nil && (c.HeadDimK == 0 || c.HeadDimV == 0) {
		r.fail("attention.key_length", "the head size is neither in the metadata nor can it be told from attn_q and attn_v")
	}
	c.NVocab = 1
	if e := f.Tensor("token_embd.weight"); e != nil {
		c.NVocab = e.Rows()
		if r.err == nil && c.NVocab > maxVocab {
			r.err = f.Errorf(e.Name, "a vocabulary of %d tokens, the limit is %d", c.NVocab, maxVocab)
		}
		if v, ok := f.Get("tokenizer.ggml.tokens"); ok && r.err == nil && v.Len != c.NVocab {
			r.err = f.Errorf("tokenizer.ggml.tokens", "%d tokens, but token_embd.weight has %d rows", v.Len, c.NVocab)
		}
	}
	if r.err == nil {
		c.Rope = readRope(r, &c)
	}
	return c, r.err
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

// Shape prints dimensions, innermost first, as in "5120×4096".
func Shape(dims ...int) string {
	s := make([]string, len(dims))
	for i, d := range dims {
		s[i] = fmt.Sprint(d)
	}
	return strings.Join(s, "×")
}
