package perplexity

import (
	"context"
	"fmt"
	"math"
	"slices"

	"eclat/engine"
	"eclat/engine/stats"
)

// Options says what to measure.
type Options struct {
	Window int // tokens of a window, n_ctx; at least 4
	Limit  int // most windows; 0 for all of the text
	Save   *BaseWriter
	Base   *Base
	// Progress is told tokens, and the estimate after the last window, empty before
	// the first; it may be nil.
	Progress func(done, total int64, r Result)
}

// Result is a measurement, complete or so far.
type Result struct {
	Tokens     int     `json:"n_tokens"`  // of the text
	Window     int     `json:"n_ctx"`     // tokens of a window
	Windows    int     `json:"n_windows"` // computed
	Scored     int     `json:"n_scored"`  // tokens with a probability
	Perplexity float64 `json:"ppl"`       // exp(mean −log p)
	Error      float64 `json:"ppl_error"` // standard error: ppl · deviation of −log p / √n
	NLL        float64 `json:"nll"`       // mean −log p, nats
	Base       *KL     `json:"base,omitempty"`

	nll stats.Running
}

// KL compares the predictions with those of a base, in nats.
type KL struct {
	Perplexity float64 `json:"base_ppl"`
	Mean       float64 `json:"kl_mean"`
	Error      float64 `json:"kl_error"` // standard error of the mean
	P99        float64 `json:"kl_p99"`
	Max        float64 `json:"kl_max"`
	LogRatio   float64 `json:"log_ppl_ratio"` // log(ppl / base ppl)
	SameTop    float64 `json:"same_top"`      // share of positions whose most likely token agrees

	kl, nll stats.Running
	all     []float64
	same    int
}

// Windows cuts tokens as the package comment says. bos < 0 puts nothing in front.
func Windows(tokens []int32, window int, bos int32) [][]int32 {
	var out [][]int32
	for at := 0; at+window <= len(tokens); at += window {
		w := slices.Clone(tokens[at : at+window])
		if bos >= 0 {
			w[0] = bos
		}
		out = append(out, w)
	}
	return out
}

// Cut is Windows as e's tokenizer wants them, at most limit of them where it is not 0.
func Cut(e *engine.Engine, tokens []int32, window, limit int) [][]int32 {
	bos := int32(-1)
	if id, ok := e.Tokenizer.BOS(); ok && e.Tokenizer.AddBOS() {
		bos = id
	}
	windows := Windows(tokens, window, bos)
	if limit > 0 {
		windows = windows[:min(limit, len(windows))]
	}
	return windows
}

// TooShortError says that a text has less than one window of tokens.
type TooShortError struct{ Tokens, Window int }

func (e *TooShortError) Error() string {
	if e.Tokens == 0 {
		return "the text is empty"
	}
	return fmt.Sprintf("the text has %d tokens, a window takes %d; give a longer text or a smaller window (-c)", e.Tokens, e.Window)
}

// Run measures the perplexity of a text, given as the tokens of the whole of it.
// Base and Save must have been made for the same windows.
func Run(ctx context.Context, e *engine.Engine, tokens []int32, o Options) (*Result, error) {
	if o.Window < 4 {
		return nil, fmt.Errorf("a window of %d tokens is too short to score; the least is 4", o.Window)
	}
	windows := Cut(e, tokens, o.Window, o.Limit)
	if len(windows) == 0 {
		return nil, &TooShortError{len(tokens), o.Window}
	}
	r := &Result{Tokens: len(tokens), Window: o.Window}
	if o.Base != nil {
		r.Base = &KL{}
		if o.Limit == 0 {
			windows = windows[:min(len(windows), o.Base.head.Windows)]
		}
		if err := o.Base.matches(e, windows); err != nil {
			return nil, err
		}
	}
	m := &meter{Result: r, o: &o, logP: make([]float64, e.Model.Config.NVocab), base: make([]float64, e.Model.Config.NVocab)}
	for i, w := range windows {
		m.done, m.total = int64(i)*int64(o.Window), int64(len(windows))*int64(o.Window)
		if err := m.window(ctx, e, w); err != nil {
			return nil, err
		}
		m.update(i + 1)
	}
	return r, nil
}

// meter is a measurement under way.
type meter struct {
	*Result
	o          *Options
	logP, base []float64 // (vocab)

	done, total int64 // tokens before this window, and of all
}

// window runs one window and takes its second half.
func (m *meter) window(ctx context.Context, e *engine.Engine, w []int32) error {
	o := engine.ScoreOptions{From: len(w) / 2, Progress: func(done, _ int) {
		if m.o.Progress != nil {
			m.o.Progress(m.done+int64(done), m.total, *m.Result)
		}
	}}
	return e.Score(ctx, w, o, func(row engine.Row) error {
		if row.Next < 0 {
			return nil
		}
		stats.LogSoftmax(m.logP, row.Logits)
		m.nll.Add(-m.logP[row.Next])
		if m.o.Save != nil {
			m.o.Save.add(m.logP)
		}
		if m.o.Base == nil {
			return nil
		}
		if err := m.o.Base.next(m.base); err != nil {
			return err
		}
		m.Base.add(m.base, m.logP, row.Next)
		return nil
	})
}

// update computes what is told from what was summed.
func (m *meter) update(windows int) {
	m.Windows, m.Scored = windows, m.nll.N
	m.NLL = m.nll.Mean()
	m.Perplexity = math.Exp(m.NLL)
	m.Error = m.Perplexity * m.nll.StdErr()
	if k := m.Base; k != nil {
		k.Mean, k.Error, k.P99 = k.kl.Mean(), k.kl.StdErr(), stats.Quantile(k.all, 0.99)
		k.Max = slices.Max(k.all)
		k.Perplexity = math.Exp(k.nll.Mean())
		k.LogRatio = m.NLL - k.nll.Mean()
		k.SameTop = float64(k.same) / float64(k.kl.N)
	}
}

// add takes one position: base and got are log-probabilities, next the text's token.
func (k *KL) add(base, got []float64, next int32) {
	kl := stats.KL(base, got)
	k.kl.Add(kl)
	k.all = append(k.all, kl)
	k.nll.Add(-base[next])
	// The base's probabilities are rounded, so several tokens may share the most.
	if base[argmax(got)] == base[argmax(base)] {
		k.same++
	}
}

func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return best
}
