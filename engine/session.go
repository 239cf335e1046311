package engine

import (
	"cmp"
	"context"
	"errors"
	"time"

	"eclat/model"
)

// Session is one sequence of tokens and the key–value memory they fill.
type Session struct {
	e      *Engine
	tokens []int32 // all tokens in the sequence; the first stored of them are in key–value memory
	stored int
	table  []int32 // block table: pages of positions 0…PageLen−1, and so on
	epoch  int     // of the engine when stored was last right

	in      model.Inputs // of one step, reused
	tables  [1][]int32
	logits  []float32 // a copy to penalise
	sampler model.Sampler
}

// NewSession starts an empty sequence.
func (e *Engine) NewSession() *Session { return &Session{e: e} }

// Close gives the session's memory back.
func (s *Session) Close() {
	s.e.pool.give(s.table)
	s.table, s.tokens, s.stored = nil, nil, 0
}

// Request says what to generate.
type Request struct {
	model.Sampling
	Penalty   float32 // on tokens among the last PenaltyLast; 0 or 1 is off
	PenaltyN  int     // how many of the last tokens count; 0 means 64
	MaxTokens int     // stop after so many; 0 or less: at the end of the context
	IgnoreEOS bool    // go on after an end-of-generation token

	Progress func(done, total int) // tokens of the prompt so far; may be nil
	Emit     func(id int32)        // each generated token as it comes; may be nil
}

// StopReason says why generation ended.
type StopReason string

const (
	StopEOS     StopReason = "end of text"
	StopLength  StopReason = "token limit"
	StopContext StopReason = "context full"
	StopCancel  StopReason = "interrupted"
)

// Stats is what a generation took.
type Stats struct {
	PromptTokens    int
	PromptTime      time.Duration // until the first token was chosen
	GeneratedTokens int
	GenerateTime    time.Duration // from the first token chosen to the last
	Stop            StopReason
}

// Generate appends prompt to the sequence and then tokens of the model's own.
// Cancelling ctx ends it after the current step without an error; Stats says so.
func (s *Session) Generate(ctx context.Context, prompt []int32, r Request) (Stats, error) {
	st := Stats{PromptTokens: len(prompt)}
	if n := len(s.tokens) + len(prompt); n > s.e.Context {
		return st, &ContextError{n, s.e.Context}
	}
	if len(prompt) == 0 && s.stored == len(s.tokens) {
		return st, errors.New("engine: nothing to continue from: the prompt has no tokens")
	}
	s.tokens = append(s.tokens, prompt...)
	start := time.Now()
	var first time.Time
	losses := 0
	for total := len(s.tokens) - s.stored; ; {
		if ctx.Err() != nil {
			st.Stop = StopCancel
			break
		}
		left := len(s.tokens) - s.stored
		chunk := s.e.Chunk
		id, err := s.step(min(left, chunk), left <= chunk, &r)
		if errors.Is(err, ErrLost) && losses < maxLosses {
			losses++
			err = s.e.recover(s.epoch, err)
			if err == nil {
				continue
			}
		}
		if err == errStale {
			continue
		}
		if err != nil {
			return st, err
		}
		if r.Progress != nil && first.IsZero() {
			r.Progress(total-(len(s.tokens)-s.stored), total)
		}
		if left > chunk {
			continue
		}
		if first.IsZero() {
			first = time.Now()
		}
		if s.e.Tokenizer.IsEOG(id) && !r.IgnoreEOS {
			st.Stop = StopEOS
			break
		}
		st.GeneratedTokens++
		s.tokens = append(s.tokens, id)
		if r.Emit != nil {
			r.Emit(id)
		}
		if r.MaxTokens > 0 && st.GeneratedTokens >= r.MaxTokens {
			st.Stop = StopLength
			break
		}
		if len(s.tokens) > s.e.Context {
			st.Stop = StopContext
			break
		}
	}
	if first.IsZero() {
		first = time.Now()
	}
	st.PromptTime, st.GenerateTime = first.Sub(start), time.Since(first)
	return st, nil
}

// maxLosses is how often one Generate or Score brings lost devices back.
const maxLosses = 3

// errStale says that devices were lost and came back empty since the session's
// last step: its tokens have to run again.
var errStale = errors.New("engine: key–value memory was lost")

// fresh checks, with chain.mu held, that what the session stored is still there.
func (s *Session) fresh() error {
	if s.epoch == s.e.epoch {
		return nil
	}
	s.epoch, s.stored = s.e.epoch, 0
	return errStale
}

// step runs the next n tokens and, with sample set, returns the token chosen
// after the last of them.
func (s *Session) step(n int, sample bool, r *Request) (int32, error) {
	penalise := r.Penalty != 0 && r.Penalty != 1 // needs the logits here
	sh := shape{tokens: s.e.Chunk, logits: 1, sample: !penalise}
	if n == 1 {
		sh.tokens = 1
	}
	if err := s.next(n); err != nil {
		return 0, err
	}
	s.in.Want, s.in.Sampling = s.in.Want[:0], s.in.Sampling[:0]
	if sample {
		s.in.Want = append(s.in.Want, int32(n-1))
		s.in.Sampling = append(s.in.Sampling, r.Sampling)
	}
	s.e.chain.mu.Lock()
	defer s.e.chain.mu.Unlock()
	if err := s.fresh(); err != nil {
		return 0, err
	}
	out, err := s.e.chain.run(sh, s.in)
	if err != nil {
		return 0, err
	}
	var id int32
	switch {
	case !sample:
	case penalise:
		s.logits = append(s.logits[:0], out.Result...)
		last := cmp.Or(r.PenaltyN, 64)
		model.Penalise(s.logits, s.tokens[max(0, len(s.tokens)-last):], r.Penalty)
		id = s.sampler.Pick(s.logits, r.Sampling, s.in.Pos[n-1])
	default:
		id = out.Tokens[0]
	}
	if id < 0 {
		return 0, ErrNaN
	}
	s.stored += n
	return id, nil
}

// next makes the inputs of the next n stored tokens and room for them.
func (s *Session) next(n int) error {
	for len(s.table) < model.Pages(s.stored+n) {
		page, err := s.e.pool.take()
		if err != nil {
			return err
		}
		s.table = append(s.table, page)
	}
	s.tables[0] = s.table
	in := &s.in
	in.Tokens, in.Pages = s.tokens[s.stored:s.stored+n], s.tables[:]
	in.Pos, in.Seq = in.Pos[:0], in.Seq[:0]
	for i := range n {
		in.Pos = append(in.Pos, int32(s.stored+i))
		in.Seq = append(in.Seq, 0)
	}
	return nil
}
