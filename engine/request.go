package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"eclat/model"
	"eclat/model/sample"
)

// Request says what to compute for one sequence.
type Request struct {
	Tokens []int32 // the prompt; not to be changed until the stream has ended
	Caller string  // who asks: pages of prompts are shared by requests of one caller only, and callers take turns
	Share  int     // how many of the first tokens may be shared with other requests; −1 for all, the generated ones too

	sample.Settings      // how tokens are chosen; Submit prepares its own copy
	MaxTokens       int  // generate at most so many; 0 for none, −1 for no limit but the context
	IgnoreEOS       bool // go on after an end-of-generation token
	Draft           int  // guess at most so many tokens at a time from the text so far; 0 for none. The tokens are the same

	// Guess is what the answer is thought to begin with, as of one that was cut off: with
	// Draft, its tokens are tried before others. The answer is the same with any; a token
	// that the vocabulary does not have ends it.
	Guess []int32

	// Until is told each generated token, in order, and ends the text after the one it
	// returns true for: Stats say StopText. The scheduler's goroutine calls it, once a
	// token: it must not wait, nor use the engine. It may be nil.
	Until func(id int32) (end bool)

	// Allow is asked before each token is chosen which may be: a bit a token, as
	// Settings.Allow, nil for all. Its error ends the request. It is called as Until is, and
	// after it for the token before. It may be nil.
	Allow func() ([]uint64, error)

	// Proof asks for Stats.Proof. The logits are read back for it and the tokens chosen
	// on the host: the same ones as without.
	Proof bool

	// Embed asks for the embedding of the tokens, Stats.Embedding, in the place of an
	// answer. What is pooled is computed: only tokens before that may be shared.
	Embed model.Pooling

	// LogProbs asks for the probability of each generated token, and of the Top most likely
	// ones in its place. They are the model's own, before any setting of sampling. The
	// logits are read back for it, as for Proof.
	LogProbs bool
	Top      int

	// Rows asks for the logits after every token of the prompt from position From on.
	// Only then are events with Logits sent, and nothing is generated. What is told is
	// computed: only tokens before From may be shared.
	Rows bool
	From int
}

// Event is something that a stream tells.
type Event struct {
	ID      int32     // a generated token; −1 for any other event
	LogProb float64   // of a request with LogProbs: natural logarithm of the token's probability
	Top     []Ranked  // and the most likely tokens, best first
	Pos     int       // with Logits: the position after which they stand
	Logits  []float32 // (vocab) of a request with Rows, until the next call of Next; else nil
	Done    int       // tokens of the prompt computed so far, and how many there are
	Total   int
}

// StopReason says why generation ended.
type StopReason string

const (
	StopEOS     StopReason = "end of text"
	StopLength  StopReason = "token limit"
	StopContext StopReason = "context full"
	StopCancel  StopReason = "interrupted"
	StopText    StopReason = "stop string" // Request.Until said so
)

// Stats is what a request took. Times are without Compile.
type Stats struct {
	PromptTokens    int
	CachedTokens    int           // of the prompt, found in shared pages
	PromptTime      time.Duration // from admission until the prompt was computed and the first token chosen
	GeneratedTokens int
	GenerateTime    time.Duration // from the first token chosen to the last
	Drafted         int           // tokens that were guessed and run
	Accepted        int           // of them, those that were chosen
	StepTime        time.Duration // of a token without guesses, as measured on the way; 0 where none was
	QueueTime       time.Duration // from Submit to admission
	Compile         time.Duration // spent meanwhile on compiling programs
	Losses          int           // times that a device was lost meanwhile
	Replays         []Replay      // of them, those of which one stage alone knew
	Checked         int           // rows of other machines that a second one has computed meanwhile with the same bits
	Proof           Proof         // of the logits; see Request
	Embedding       []float32     // (n_embd), of length 1; of a request with Embed, else nil
	Stop            StopReason
}

// Stream is a request on its way. It belongs to one goroutine.
type Stream struct {
	e      *Engine
	events chan Event
	rows   chan []float32 // buffers for logits that are free
	held   []float32      // the buffer of the last event
	paused atomic.Bool    // the scheduler waits for room in events or rows

	stats Stats // set before events is closed
	err   error
}

// Next waits for the next event and reports false at the end of the stream.
func (s *Stream) Next() (Event, bool) {
	if s.held != nil {
		s.rows <- s.held
		s.held = nil
	}
	if s.paused.Load() {
		s.e.poke()
	}
	ev, ok := <-s.events
	if s.paused.Load() {
		s.e.poke()
	}
	s.held = ev.Logits
	return ev, ok
}

// Result tells, after the end of the stream, what the request took and how it
// failed. A cancelled request has not failed: its Stats say StopCancel.
func (s *Stream) Result() (Stats, error) { return s.stats, s.err }

// Submit hands in a request. It returns an error at once where the request cannot
// be answered, ErrBusy where too many wait, and otherwise a stream, which must be
// read to its end or cancelled by ctx. Cancelling ends the stream at the next step,
// in the queue and in the middle of a prompt too.
func (e *Engine) Submit(ctx context.Context, r Request) (*Stream, error) {
	if len(r.Tokens) == 0 {
		return nil, errors.New("engine: nothing to continue from: the prompt has no tokens")
	}
	if len(r.Tokens) > e.Context {
		return nil, &ContextError{len(r.Tokens), e.Context}
	}
	vocab := e.Model.Config.NVocab
	for i, id := range r.Tokens {
		if id < 0 || int(id) >= vocab {
			return nil, fmt.Errorf("engine: token %d of the input is %d, the vocabulary has %d", i, id, vocab)
		}
	}
	if i := slices.IndexFunc(r.Guess, func(id int32) bool { return id < 0 || int(id) >= vocab }); i >= 0 {
		r.Guess = r.Guess[:i]
	}
	if r.Top < 0 || r.Top > vocab {
		return nil, fmt.Errorf("engine: the %d most likely tokens are asked for, the vocabulary has %d", r.Top, vocab)
	}
	if err := r.Settings.Prepare(e.Tokenizer); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	switch {
	case r.Share < 0:
		r.Share = math.MaxInt
	case r.Share > len(r.Tokens):
		r.Share = len(r.Tokens)
	}
	s := &Stream{e: e, events: make(chan Event, streamEvents)}
	if r.Embed > model.LastPooling {
		return nil, fmt.Errorf("engine: there is no pooling %d", r.Embed)
	}
	if r.Embed != model.NoPooling {
		r.MaxTokens, r.Rows = 0, false
		first, _ := r.Embed.Rows(len(r.Tokens))
		r.Share = min(r.Share, first) // a page that is found has no rows
	}
	if r.Rows {
		r.MaxTokens = 0
		r.From = min(max(r.From, 0), len(r.Tokens))
		r.Share = min(r.Share, r.From)            // a page that is found has no rows
		s.events = make(chan Event, 2*streamRows) // half of them for progress, see tell
		s.rows = make(chan []float32, streamRows)
		for range min(streamRows, len(r.Tokens)) {
			s.rows <- make([]float32, vocab)
		}
	}
	q := &sequence{ctx: ctx, r: r, stream: s, submitted: time.Now()}
	if r.Embed != model.NoPooling {
		q.pooler = model.NewPooler(e.Model.Config.NEmbd)
	}
	if r.Proof {
		q.prover = newProver()
	}
	q.tokens = append(make([]int32, 0, len(r.Tokens)+64), r.Tokens...)
	if err := e.enqueue(q); err != nil {
		return nil, err
	}
	return s, nil
}

const (
	streamEvents = 80 // events that wait for a slow reader before its sequence does
	streamRows   = 32 // rows of logits
)

// Generate submits a request and waits for its end, telling the prompt's progress
// and each token, in the caller's goroutine; either may be nil. Cancelling ctx ends
// it without an error; Stats says so.
func (e *Engine) Generate(ctx context.Context, r Request, progress func(done, total int), emit func(id int32)) (Stats, error) {
	s, err := e.Submit(ctx, r)
	if err != nil {
		return Stats{PromptTokens: len(r.Tokens)}, err
	}
	for ev, ok := s.Next(); ok; ev, ok = s.Next() {
		switch {
		case ev.ID >= 0 && emit != nil:
			emit(ev.ID)
		case ev.ID < 0 && ev.Logits == nil && progress != nil:
			progress(ev.Done, ev.Total)
		}
	}
	return s.Result()
}
