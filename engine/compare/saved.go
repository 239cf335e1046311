package compare

import (
	"context"
	"fmt"
	"math"

	"eclat/engine"
	"eclat/engine/record"
	"eclat/loader/safemath"
	"eclat/model/sample"
)

const kind = "run" // of the record

// Save writes a side to a file, for a comparison at another time or on another
// machine. limit bounds the file, in bytes: the logits are kept whole, and where
// all of the activations do not fit, every second, third … element of them.
// progress is told positions and may be nil.
func Save(ctx context.Context, path string, s Side, limit int64, progress func(done, total int64)) error {
	head := *s.Header()
	head.Tensors = append([]Tensor(nil), head.Tensors...)
	for i := range head.Tensors {
		if head.Tensors[i].Every != 1 {
			return fmt.Errorf("compare: only a whole run can be saved")
		}
	}
	if err := thin(&head, limit); err != nil {
		return err
	}
	size, _ := head.bytes() // within limit
	w, err := record.Create(path, kind, &head, size)
	if err != nil {
		return err
	}
	var buf []float32
	for pos := range head.Tokens {
		rows, err := s.Row(ctx, pos)
		if err != nil {
			w.Abort()
			return err
		}
		for i := range rows {
			t := &head.Tensors[i]
			kept := pick(buf, rows[i], t, pos)
			w.Floats(kept)
			if t.Every > 1 {
				buf = kept
			}
		}
		if progress != nil {
			progress(int64(pos+1), int64(len(head.Tokens)))
		}
	}
	return w.Close()
}

// thin chooses Every of all tensors but the logits so that the numbers take at
// most limit bytes. Even shares of a row would miss what repeats with its layout,
// so the step is odd.
func thin(h *Header, limit int64) error {
	last := len(h.Tensors) - 1
	for every := 1; ; every += 2 {
		for i := range h.Tensors[:last] {
			h.Tensors[i].Every = every
		}
		if n, ok := h.bytes(); ok && n <= limit {
			return nil
		} else if every > 1<<16 {
			return fmt.Errorf("the logits of %d tokens alone take %d MiB, the limit is %d MiB; save fewer tokens (-n) or raise --save-limit",
				len(h.Tokens), n>>20, limit>>20)
		}
	}
}

// bytes returns the size of the numbers of a run; not ok where no file holds as many.
// Of Every positions in a row, each element of a tensor is kept at one.
func (h *Header) bytes() (size int64, ok bool) {
	tokens := int64(len(h.Tokens))
	for i := range h.Tensors {
		cols, every := int64(h.Tensors[i].Cols), int64(h.Tensors[i].Every)
		rest := tokens % every // positions after the last whole round
		rounds, ok1 := safemath.Mul(tokens/every, cols)
		begun, ok2 := safemath.Mul(rest, cols/every)
		floats, ok3 := safemath.Add(rounds, begun, min(rest, cols%every))
		n, ok4 := safemath.Mul(4, floats)
		if size, ok = safemath.Add(size, n); !(ok && ok1 && ok2 && ok3 && ok4) {
			return 0, false
		}
	}
	return size, true
}

// Saved is a side that was computed before.
type Saved struct {
	head Header
	file *record.Reader
	path string
	data [][]float32
	out  [][]float32
	at   int
}

// OpenSaved opens a run that Save wrote. A file that is none, was cut short or
// changed is refused with one line.
func OpenSaved(path string) (*Saved, error) {
	s := &Saved{path: path}
	var err error
	if s.file, err = record.Open(path, kind, &s.head); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, t := range s.head.Tensors {
		s.data = append(s.data, make([]float32, t.Cols))
	}
	s.out = make([][]float32, len(s.data))
	return s, nil
}

// check refuses a header that does not describe its numbers.
func (s *Saved) check() error {
	h := &s.head
	if len(h.Tensors) == 0 || len(h.Tokens) == 0 {
		return fmt.Errorf("an empty run")
	}
	sum := int64(0)
	for _, t := range h.Tensors {
		if t.Cols < 1 || t.Cols > 1<<26 || t.Every < 1 || t.Every > math.MaxInt32 {
			return fmt.Errorf("its tensor %.64q is not sound", t.Name)
		}
		if sum += int64(t.Cols); sum > 1<<28 {
			return fmt.Errorf("its tensors are too wide")
		}
	}
	if last := h.Tensors[len(h.Tensors)-1]; last.Cols != h.Vocab || last.Every != 1 {
		return fmt.Errorf("its last tensor, %.64q, is not the logits", last.Name)
	}
	for i, id := range h.Tokens {
		if id < 0 || int(id) >= h.Vocab {
			return fmt.Errorf("its token %d is %d, the vocabulary has %d", i, id, h.Vocab)
		}
	}
	if n, ok := h.bytes(); !ok || n != s.file.Left() {
		return fmt.Errorf("%d bytes of numbers, its header describes %d", s.file.Left(), n)
	}
	return nil
}

// Header implements Side.
func (s *Saved) Header() *Header { return &s.head }

// Row implements Side.
func (s *Saved) Row(_ context.Context, pos int) ([][]float32, error) {
	if pos != s.at {
		return nil, fmt.Errorf("compare: position %d of %s after %d", pos, s.path, s.at-1)
	}
	s.at++
	for i := range s.data {
		s.out[i] = s.data[i][:s.head.Tensors[i].kept(pos)]
		if err := s.file.Floats(s.out[i]); err != nil {
			return nil, err
		}
	}
	if logits := s.out[len(s.out)-1]; !sample.Finite(logits) {
		return nil, fmt.Errorf("%s: %w at position %d", s.path, engine.ErrNotFinite, pos)
	}
	return s.out, nil
}

// Close closes the file.
func (s *Saved) Close() error { return s.file.Close() }
