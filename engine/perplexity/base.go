package perplexity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"eclat/engine"
	"eclat/engine/record"
	"eclat/loader/safemath"
)

const kind = "base" // of the record

// Header says what a base holds.
type Header struct {
	Program string  `json:"program"`
	Model   string  `json:"model"`
	Weights string  `json:"weights_sum"` // record.WeightsSum of the model it was made from
	Device  string  `json:"device"`
	Shape   string  `json:"shape"` // ShapeOf the model
	Vocab   int     `json:"vocab"`
	Tokens  string  `json:"vocabulary_sum"` // of the vocabulary's texts
	Window  int     `json:"n_ctx"`
	Windows int     `json:"n_windows"`
	Text    []int32 `json:"text"` // tokens of all windows, one after the other
}

// scored is how many tokens of a window have a probability: of the rows at
// n/2 … n−2, which predict the tokens after them.
func scored(window int) int { return window - 1 - window/2 }

// rowBytes is what one row of a base takes: the least log-probability and the
// step as floats, then 16 bits a token.
func rowBytes(vocab int) int64 { return 8 + 2*int64(vocab) }

// leastLog is the log-probability below which a base does not tell tokens apart;
// together they weigh less than 1e-10 of any vocabulary.
const leastLog = -40

// BaseWriter saves predictions: each as 16 bits between the row's least and
// largest, a step of 0.0006 at most.
type BaseWriter struct {
	w   *record.Writer
	row []uint16
}

// size returns how many bytes the numbers of a base take; not ok where no file holds
// as many. Window and Vocab are of sound size.
func (h *Header) size() (bytes int64, ok bool) {
	return safemath.Mul(int64(h.Windows), int64(scored(h.Window)), rowBytes(h.Vocab))
}

// CreateBase begins a base at path.
func CreateBase(path string, h *Header) (*BaseWriter, error) {
	size, ok := h.size()
	if !ok {
		return nil, fmt.Errorf("perplexity: %d windows of %d tokens are too many for a base", h.Windows, h.Window)
	}
	w, err := record.Create(path, kind, h, size)
	if err != nil {
		return nil, err
	}
	return &BaseWriter{w: w, row: make([]uint16, h.Vocab)}, nil
}

func (b *BaseWriter) add(logP []float64) {
	lo, hi := max(leastLog, slices.Min(logP)), slices.Max(logP)
	step := float32((hi - lo) / math.MaxUint16)
	if step == 0 {
		step = 1
	}
	for i, v := range logP {
		b.row[i] = uint16(math.Round(math.Max(0, math.Min(math.MaxUint16, (v-lo)/float64(step)))))
	}
	b.w.Floats([]float32{float32(lo), step})
	b.w.Words(b.row)
}

// Close completes the base.
func (b *BaseWriter) Close() error { return b.w.Close() }

// Abort drops it.
func (b *BaseWriter) Abort() { b.w.Abort() }

// Base is predictions that were saved.
type Base struct {
	head Header
	path string
	r    *record.Reader
	row  []uint16
}

// OpenBase opens a base. A file that is none, was cut short or changed is refused
// with one line.
func OpenBase(path string) (*Base, error) {
	b := &Base{path: path}
	var err error
	if b.r, err = record.Open(path, kind, &b.head); err != nil {
		return nil, err
	}
	if !b.head.sound(b.r.Left()) {
		b.r.Close()
		return nil, fmt.Errorf("%s: its header is not sound", path)
	}
	b.row = make([]uint16, b.head.Vocab)
	return b, nil
}

// sound reports whether a header describes that many bytes of numbers.
func (h *Header) sound(bytes int64) bool {
	if h.Window < 4 || h.Windows < 1 || h.Vocab < 1 || h.Vocab > 1<<24 {
		return false
	}
	tokens, ok := safemath.Mul(int64(h.Window), int64(h.Windows))
	size, fits := h.size()
	return ok && int64(len(h.Text)) == tokens && fits && size == bytes
}

// Header describes the base.
func (b *Base) Header() *Header { return &b.head }

// matches says why the base does not belong to windows of a text for a model.
func (b *Base) matches(e *engine.Engine, windows [][]int32) error {
	h := &b.head
	if v := e.Model.Config.NVocab; h.Vocab != v || h.Tokens != VocabularySum(e) {
		return fmt.Errorf("%s: made with another vocabulary, of %d tokens by the model %.60q; this model's has %d", b.path, h.Vocab, h.Model, v)
	}
	if shape := ShapeOf(e); h.Shape != shape {
		return fmt.Errorf("%s: made from another model, %.60q (%.60s); this one is %s", b.path, h.Model, h.Shape, shape)
	}
	n := len(windows[0])
	if h.Window != n {
		return fmt.Errorf("%s: made with windows of %d tokens, not %d; give -c %d", b.path, h.Window, n, h.Window)
	}
	if len(windows) > h.Windows {
		return fmt.Errorf("%s: holds %d windows, %d are asked for", b.path, h.Windows, len(windows))
	}
	for i, w := range windows {
		if !slices.Equal(w, h.Text[i*n:][:n]) {
			return fmt.Errorf("%s: made from another text; window %d differs", b.path, i)
		}
	}
	return nil
}

// next reads the log-probabilities of the next row.
func (b *Base) next(dst []float64) error {
	var scale [2]float32
	if err := b.r.Floats(scale[:]); err != nil {
		return err
	}
	if err := b.r.Words(b.row); err != nil {
		return err
	}
	var sum float64
	for i, q := range b.row {
		dst[i] = float64(scale[0]) + float64(q)*float64(scale[1])
		sum += math.Exp(dst[i])
	}
	// Made a distribution again: rounding then counts in second order only.
	log := math.Log(sum)
	if math.IsNaN(log) || math.IsInf(log, 0) {
		return fmt.Errorf("%s: a row holds no distribution", b.path)
	}
	for i := range dst {
		dst[i] -= log
	}
	return nil
}

// Close closes the file.
func (b *Base) Close() error { return b.r.Close() }

// VocabularySum returns the SHA-256 of the texts of all tokens.
func VocabularySum(e *engine.Engine) string {
	h := sha256.New()
	for id := range e.Tokenizer.Size() {
		fmt.Fprintf(h, "%q\n", e.Tokenizer.Text(int32(id)))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ShapeOf tells models apart but not the roundings of one model's weights.
func ShapeOf(e *engine.Engine) string {
	c := &e.Model.Config
	return fmt.Sprintf("%s, %d layers, n_embd %d, n_ff %d, %d heads", c.Architecture, c.NLayer, c.NEmbd, c.NFF, c.NHead)
}

// Describe fills what a base says of an open model and of the text's tokens, cut
// as Run will cut them. limit is the most windows, 0 for all.
func (h *Header) Describe(e *engine.Engine, tokens []int32, window, limit int) {
	windows := Cut(e, tokens, window, limit)
	h.Model, h.Device, h.Shape = e.Model.Config.Name, e.Device(), ShapeOf(e)
	h.Vocab, h.Tokens = e.Model.Config.NVocab, VocabularySum(e)
	h.Window, h.Windows = window, len(windows)
	h.Text = slices.Concat(windows...)
}
