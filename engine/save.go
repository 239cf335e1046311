package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/numerics"
)

// Session is a text on its way that outlives the program: its tokens, with the memory of
// those that have been computed.
type Session struct {
	Tokens   []int32
	Computed int             // of the tokens, how many need not be computed again
	Template string          // what made text into tokens: another does it otherwise
	Note     json.RawMessage // what the caller wants to keep with it
}

// A session file is
//
//	sessionMagic, a line of JSON: sessionHead
//	tokens, 32 bits each, little endian
//	of each pool in turn, of each page: its bytes in each stage's order; none where a window has moved on
//	SHA-256 of all before it
const sessionMagic = "eclat session\n"

// mostHead is the longest head that is read, in bytes.
const mostHead = 16 << 20

// sessionHead says what a session is of. Its order of fields is that of the file.
type sessionHead struct {
	Model    string          `json:"model"`   // Engine.Identity
	Numbers  int             `json:"numbers"` // numerics.Version
	Keys     string          `json:"keys"`    // how they are kept
	Values   string          `json:"values"`
	Rounded  string          `json:"rounded,omitempty"` // where rows were rounded between machines, and how
	Template string          `json:"template"`
	Tokens   int             `json:"tokens"`
	Computed int             `json:"computed"`
	Pools    []sessionPool   `json:"pools"`
	Note     json.RawMessage `json:"note,omitempty"`
}

type sessionPool struct {
	Kind  string `json:"kind"`
	Bytes int    `json:"bytes"` // of a page, over all stages
	First int    `json:"first"` // the first page that is there
	Pages int    `json:"pages"` // how many are
}

// Save writes a session of a caller: s.Tokens with what the memory holds of them, and
// returns how many tokens that is: all but the last where an answer has just ended.
func (e *Engine) Save(ctx context.Context, w io.Writer, caller string, s *Session) (computed int, err error) {
	id, err := e.Identity()
	if err != nil {
		return 0, err
	}
	err = e.do(ctx, func() error {
		computed, err = e.owner.save(ctx, w, id, caller, s)
		return err
	})
	return computed, err
}

func (o *owner) save(ctx context.Context, w io.Writer, id, caller string, s *Session) (int, error) {
	// Found as by a request that goes on from here, and given back.
	q := &sequence{r: Request{Caller: caller, Share: len(s.Tokens)}, tokens: append(s.Tokens[:len(s.Tokens):len(s.Tokens)], 0)}
	if o.broken == nil {
		o.index.find(q)
	}
	defer o.release(q)
	head := sessionHead{Model: id, Numbers: numerics.Version, Keys: o.e.options.Keys.String(), Values: o.e.options.Values.String(), Rounded: o.e.rounding, Template: s.Template, Tokens: len(s.Tokens), Computed: q.stored, Note: s.Note}
	for pool, k := range o.pages.kinds {
		p := sessionPool{Kind: kindName(k), Bytes: o.chain.unitBytes(pool)}
		if q.stored > 0 {
			for p.First < len(q.units[pool]) && q.units[pool][p.First] < 0 {
				p.First++
			}
			p.Pages = len(q.units[pool]) - p.First
		}
		head.Pools = append(head.Pools, p)
	}
	line, err := json.Marshal(head)
	if err != nil {
		return 0, fmt.Errorf("engine: the session's note: %w", err)
	}
	if len(line) > mostHead {
		return 0, fmt.Errorf("engine: the session's note has %d bytes, more than %d", len(line), mostHead)
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	fmt.Fprintf(out, "%s%s\n", sessionMagic, line)
	if err := binary.Write(out, binary.LittleEndian, s.Tokens); err != nil {
		return 0, err
	}
	for pool, p := range head.Pools {
		buf := make([]byte, p.Bytes)
		for i := range p.Pages {
			if err := o.chain.saveUnit(ctx, pool, q.units[pool][p.First+i], buf); err != nil {
				return 0, err
			}
			if _, err := out.Write(buf); err != nil {
				return 0, err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return 0, err
	}
	_, err = w.Write(sum.Sum(nil))
	return q.stored, err
}

// Restore reads a session for a caller: a request that begins with its tokens finds what
// is computed of them. An ErrForeign comes with the session where the rest of it is sound,
// so that its note can be used and the text be computed again; with an ErrDamaged there is
// none.
func (e *Engine) Restore(ctx context.Context, r io.Reader, caller, template string) (s *Session, err error) {
	id, err := e.Identity()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	in := &summed{r: bufio.NewReaderSize(r, 1<<16), sum: sum}
	head, err := readHead(in)
	if err != nil {
		return nil, err
	}
	s = &Session{Template: head.Template, Note: head.Note}
	if err := e.foreign(head, id, template); errors.Is(err, ErrForeign) {
		return s, err
	} else if err != nil {
		return nil, err
	}
	s.Tokens = make([]int32, head.Tokens)
	if err := binary.Read(in, binary.LittleEndian, s.Tokens); err != nil {
		return nil, damaged(err)
	}
	for i, t := range s.Tokens {
		if t < 0 || int(t) >= e.Model.Config.NVocab {
			return nil, fmt.Errorf("%w: token %d is %d, the vocabulary has %d", ErrDamaged, i, t, e.Model.Config.NVocab)
		}
	}
	err = e.do(ctx, func() error {
		if err := e.owner.ready(); err != nil {
			return err
		}
		return e.owner.restore(ctx, in, head, caller, s)
	})
	if err != nil && !errors.Is(err, ErrForeign) {
		return nil, err
	}
	return s, err
}

// readHead reads the file's beginning.
func readHead(in *summed) (*sessionHead, error) {
	magic := make([]byte, len(sessionMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != sessionMagic {
		return nil, fmt.Errorf("%w: it does not begin as a session does", ErrDamaged)
	}
	var line []byte
	for {
		part, err := in.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > mostHead:
			return nil, fmt.Errorf("%w: its head is longer than %d bytes", ErrDamaged, mostHead)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, damaged(err)
		}
		break
	}
	in.sum.Write(line)
	h := new(sessionHead)
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(h); err != nil {
		return nil, fmt.Errorf("%w: its head: %.100q", ErrDamaged, err)
	}
	return h, nil
}

// foreign says what keeps a session's tokens or memory from being of use here.
func (e *Engine) foreign(h *sessionHead, id, template string) error {
	kinds := e.owner.chain.kinds // as Open left them
	switch {
	case h.Model != id:
		return fmt.Errorf("%w: it is of another model (%.16q, this is %.16s)", ErrForeign, h.Model, id)
	case h.Numbers != numerics.Version:
		return fmt.Errorf("%w: its numbers are of definition %d, these of %d", ErrForeign, h.Numbers, numerics.Version)
	case h.Keys != e.options.Keys.String() || h.Values != e.options.Values.String():
		return fmt.Errorf("%w: its keys and values are kept as %.10q and %.10q, here as %s and %s", ErrForeign, h.Keys, h.Values, e.options.Keys, e.options.Values)
	case h.Rounded != e.rounding:
		return fmt.Errorf("%w: its rows were rounded otherwise between machines (%.40q, here %.40q)", ErrForeign, h.Rounded, e.rounding)
	case h.Template != template:
		return fmt.Errorf("%w: it was made with another template (%.40q, this is %.40q)", ErrForeign, h.Template, template)
	case h.Tokens < 0 || h.Tokens > e.Context:
		return fmt.Errorf("%w: it has %d tokens, the context holds %d", ErrForeign, h.Tokens, e.Context)
	case h.Computed < 0 || h.Computed > h.Tokens || len(h.Pools) != len(kinds):
		return fmt.Errorf("%w: %d of %d tokens computed, %d pools of %d", ErrDamaged, h.Computed, h.Tokens, len(h.Pools), len(kinds))
	}
	for i, p := range h.Pools {
		pages := 0
		if h.Computed > 0 {
			pages = model.Pages(h.Computed)
		}
		seen := 0
		switch {
		case h.Computed == 0:
		case kinds[i].Per == model.Sequence:
			pages = 1
		default:
			seen = kinds[i].FirstSeen(h.Computed) / model.PageLen
		}
		if p.Kind != kindName(kinds[i]) || p.First < 0 || p.First > seen || p.First+p.Pages != pages {
			return fmt.Errorf("%w: %s memory of pages %d to %d, of %d", ErrDamaged, p.Kind, p.First, p.First+p.Pages, pages)
		}
	}
	return nil
}

// restore reads the pages and puts them into the index once all is known to be right.
func (o *owner) restore(ctx context.Context, in *summed, h *sessionHead, caller string, s *Session) (err error) {
	q := &sequence{r: Request{Caller: caller, Share: len(s.Tokens)}, tokens: s.Tokens, units: make([][]int32, len(h.Pools))}
	defer func() { o.release(q) }()
	for pool, p := range h.Pools {
		if n := o.chain.unitBytes(pool); p.Bytes != n {
			return fmt.Errorf("%w: a page has %d bytes, here it is %d", ErrForeign, p.Bytes, n)
		}
		buf := make([]byte, p.Bytes)
		for i := range p.First + p.Pages {
			u := int32(-1)
			if i >= p.First {
				if _, err := io.ReadFull(in, buf); err != nil {
					return damaged(err)
				}
				ok := false
				if u, ok = o.takeUnit(pool); !ok {
					return fmt.Errorf("%w: no pages are free for a session of %d tokens", ErrMemory, h.Tokens)
				}
			}
			q.units[pool] = append(q.units[pool], u)
			if u < 0 {
				continue
			}
			if err := o.chain.restoreUnit(ctx, pool, u, buf); err != nil {
				return err
			}
		}
	}
	want := in.sum.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in.r, got); err != nil {
		return damaged(err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: its sum is another", ErrDamaged)
	}
	if _, err := in.r.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: something follows its end", ErrDamaged)
	}
	q.mark(h.Computed)
	q.stored, s.Computed = h.Computed, h.Computed
	o.index.addTail(q)
	return nil
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	return err
}

// kindName is how a session names a pool.
func kindName(k model.Pool) string {
	switch k.Per {
	case model.Window:
		return fmt.Sprintf("window of %d", k.Window)
	case model.Sequence:
		return "sequence"
	}
	return "position"
}

// summed is a reader that sums what it gives.
type summed struct {
	r   *bufio.Reader
	sum hash.Hash
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	return n, err
}

// unitBytes is the size of a unit over all stages.
func (c *chain) unitBytes(pool int) (n int) {
	for i := range c.links {
		n += c.links[i].units[pool]
	}
	return n
}

// saveUnit and restoreUnit copy a unit of all stages, the first layers' first.
func (c *chain) saveUnit(ctx context.Context, pool int, u int32, buf []byte) error {
	return c.eachUnit(ctx, pool, buf, func(l *link, part []byte) error { return l.backend.Pages().Save(ctx, pool, u, part) })
}

func (c *chain) restoreUnit(ctx context.Context, pool int, u int32, buf []byte) error {
	return c.eachUnit(ctx, pool, buf, func(l *link, part []byte) error {
		err := l.backend.Pages().Restore(ctx, pool, u, part)
		if err == nil && l.log != nil {
			l.log.Restored(pool, u, part)
		}
		return err
	})
}

func (c *chain) eachUnit(ctx context.Context, pool int, buf []byte, do func(l *link, part []byte) error) error {
	for i := range c.links {
		l := &c.links[i]
		part := buf[:l.units[pool]]
		if err := c.on(ctx, l, func() error { return do(l, part) }); err != nil {
			return err
		}
		buf = buf[len(part):]
	}
	return nil
}

// glance is how many bytes of a tensor Identity looks at, at each of four places.
const glance = 64

// Identity tells models apart in a moment: the SHA-256 of what the configuration says, of
// all tensors' names, types and shapes, and of some bytes of each. Files that differ
// elsewhere only, which nobody makes by accident, have one identity.
func (e *Engine) Identity() (string, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(e.Model.Config); err != nil {
		return "", fmt.Errorf("engine: the model's configuration: %w", err)
	}
	for _, t := range e.Model.File.Tensors {
		fmt.Fprintf(h, "%q %s %v\n", t.Name, t.Type, t.Dims)
		if err := e.Model.File.Map(t.Name); err != nil {
			if t.Blob == (manifest.Sum{}) {
				return "", err
			}
			fmt.Fprintf(h, "%s\n", t.Blob) // another machine has its bytes
			continue
		}
		for i := range int64(4) {
			at := max(0, t.Size-glance) * i / 3
			h.Write(t.Data[at:min(at+glance, t.Size)])
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
