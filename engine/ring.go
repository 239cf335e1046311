package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"eclat/loader"
	"eclat/loader/atomicfile"
	"eclat/model"
	"eclat/model/numerics"
	"eclat/model/rows"
	"eclat/model/sample"
)

// A ring of machines is asked a small question before it answers anybody: a few tokens,
// whose rows after every stage have sums that are known. Known are they by computing the
// question once on this machine's processor, a few layers at a time, where all weights are
// here; the sums are then remembered for the model.

// ringTokens is how many tokens are asked.
const ringTokens = 4

// ringSums are the SHA-256 of the rows after each layer, and of the logits; nil where they
// are not known.
type ringSums []string

// ringBatch is the question, for memory of some kinds.
func (e *Engine) ringBatch(kinds []model.Pool) *model.Batch {
	n := min(ringTokens, e.Chunk)
	b := &model.Batch{Seqs: []model.SeqRun{{N: n, Units: make([][]int32, len(kinds))}}}
	for pool := range kinds {
		b.Seqs[0].Units[pool] = []int32{0}
	}
	axes := 1
	if p, err := e.Model.Describe(e.Model.Whole(), e.room(1)); err == nil {
		axes = p.Axes
	}
	for i := range n {
		b.Tokens = append(b.Tokens, int32((7919*i+11)%e.Model.Config.NVocab))
		for range axes {
			b.Pos = append(b.Pos, int32(i))
		}
	}
	b.Want, b.How = []int32{int32(n - 1)}, []sample.Params{{Logits: true}}
	return b
}

// sumRows is the SHA-256 of rows.
func sumRows(rows []float32) string {
	p := newProver()
	p.add(rows)
	return hex.EncodeToString(p.hash.Sum(nil))
}

// prepareRing has the chain asked whenever it is loaded: a machine that takes another's
// place is asked too.
func (e *Engine) prepareRing(ctx context.Context) error {
	known, err := e.ringAnswer(ctx)
	if known != nil {
		e.owner.chain.ask = func(ctx context.Context) error { return e.askRing(ctx, known) }
	}
	return err
}

// askRing asks the chain the question and compares what each stage says. A machine that is
// wrong, or lost meanwhile, is told of, and another takes its place and is asked; an error
// is that of one whose place nobody takes.
func (e *Engine) askRing(ctx context.Context, known ringSums) error {
	c := &e.owner.chain
	b := e.ringBatch(c.kinds)
	for i := range c.links {
		l := &c.links[i]
		rows, err := e.askStage(ctx, l, b, known)
		for try := 0; err != nil; try++ {
			wrong := errors.Is(err, errWrongRows)
			if !l.remote || ctx.Err() != nil || try == mostTries || !wrong && !errors.Is(err, ErrLost) {
				return err
			}
			if wrong {
				c.wrong(l.device.Info().ID)
				c.open.Warn(err.Error() + "; it is not used")
			}
			l.close()
			if fault := c.openLost(ctx, l); fault != nil {
				if wrong { // what is the matter, before what did not help
					return err
				}
				return fault
			}
			rows, err = e.askStage(ctx, l, b, known)
		}
		b.Rows = rows
	}
	e.options.notice(fmt.Sprintf("all stages answered the question before the first token rightly: sha256 %.16s…", known[len(known)-1]))
	return nil
}

// errWrongRows says that a stage answered the question wrongly.
var errWrongRows = fmt.Errorf("%w: wrong rows", ErrDevice)

// askStage asks one stage: rows of the stage before are in the batch.
func (e *Engine) askStage(ctx context.Context, l *link, b *model.Batch, known ringSums) ([]float32, error) {
	size := e.sizeFor(len(b.Tokens))
	size.exact = l.rows != rows.F32 // what is known are rows that nobody rounds
	p, err := e.owner.chain.program(l, size)
	if err != nil {
		return nil, err
	}
	if err := p.Run(ctx, b, &l.out); err != nil {
		return nil, err
	}
	if size.exact { // nothing else runs it
		l.out.Rows = slices.Clone(l.out.Rows)
		delete(l.programs, size)
		if err := p.Close(); err != nil {
			return nil, err
		}
	}
	want := known[len(known)-1]
	if !l.stage.Head {
		if l.stage.End == 0 { // the embedding alone
			return l.out.Rows, nil
		}
		want = known[l.stage.End-1]
	}
	if got := sumRows(l.out.Rows); got != want {
		return nil, fmt.Errorf("%w: %s computes layers %d–%d wrongly: to the question before the first token its rows have sha256 %.16s…, not %.16s…",
			errWrongRows, l.device.Info().ID, l.stage.First, l.stage.End-1, got, want)
	}
	return l.out.Rows, nil
}

// ringAnswer returns the sums of the question, remembered or computed.
func (e *Engine) ringAnswer(ctx context.Context) (ringSums, error) {
	file := e.Model.File
	var identity string
	var err error
	if m := file.Manifest(); m != nil {
		identity = m.ID.String()
	} else if identity, err = e.Identity(); err != nil {
		return nil, err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "ring 1 %d %d %s %s %s", numerics.Version, min(ringTokens, e.Chunk), identity, e.options.Keys, e.options.Values))
	var path string
	if dir := cacheDir(); dir != "" {
		path = filepath.Join(dir, fmt.Sprintf("ring-%x", key[:16]))
	}
	if known := readSums(path, e.Model.Config.NLayer+1); known != nil {
		return known, nil
	}
	if missing := file.Missing(); len(missing) > 0 {
		e.options.notice(fmt.Sprintf("the stages are asked no question before the first token: its answer is not known here, where %d fragments are not", len(missing)))
		return nil, nil
	}
	known, err := e.computeRing(ctx)
	if err != nil {
		return nil, err
	}
	if path != "" { // what cannot be remembered is computed again
		os.MkdirAll(filepath.Dir(path), 0o755)
		atomicfile.Write(path, atomicfile.Options{}, func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Join(known, "\n")+"\n")
			return err
		})
	}
	return known, nil
}

// readSums reads so many sums, nil where there is no such file.
func readSums(path string, n int) ringSums {
	const line = 2*sha256.Size + 1
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(n*line)+1))
	if err != nil || len(text) != n*line {
		return nil
	}
	sums := strings.Fields(string(text))
	for _, s := range sums {
		if b, err := hex.DecodeString(s); err != nil || len(b) != sha256.Size {
			return nil
		}
	}
	if len(sums) != n {
		return nil
	}
	return sums
}

// ringParts is in how many parts the question is computed: of a folder no more than one
// is mapped at a time.
const ringParts = 8

// computeRing computes the question on the processor, layer by layer.
func (e *Engine) computeRing(ctx context.Context) (sums ringSums, err error) {
	n := e.Model.Config.NLayer
	var b *model.Batch
	each := max(1, n/ringParts)
	for first := 0; first <= n; first += each {
		part := func(m *model.Model) error {
			for l := first; l < min(first+each, n+1); l++ {
				st := model.Stage{First: l, End: l + 1, Embed: l == 0}
				if l == n {
					st = model.Stage{First: n, End: n, Head: true}
				}
				if e.options.Progress != nil {
					e.options.Progress("ring", int64(l), int64(n)+1)
				}
				if b, err = e.computeStage(ctx, m, st, b); err != nil {
					return err
				}
				sums = append(sums, sumRows(b.Rows))
			}
			return nil
		}
		if err := e.withModel(part); err != nil {
			return nil, err
		}
	}
	if e.options.Progress != nil {
		e.options.Progress("ring", int64(n)+1, int64(n)+1)
	}
	return sums, nil
}

// withModel calls f with a model whose weights are mapped for it alone; with the engine's
// where that is mapped as a whole.
func (e *Engine) withModel(f func(m *model.Model) error) error {
	if e.Model.File.Manifest() == nil {
		return f(e.Model)
	}
	file, err := loader.Open(e.Model.File.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	m, err := e.openModel(file)
	if err != nil {
		return err
	}
	return f(m)
}

// computeStage runs the question, with the rows of the stage before, through a stage.
func (e *Engine) computeStage(ctx context.Context, m *model.Model, st model.Stage, b *model.Batch) (_ *model.Batch, err error) {
	c := chain{model: m, room: model.Room{Pages: 1, Seqs: 1, Chunk: e.Chunk, Keys: e.options.Keys, Values: e.options.Values}, links: []link{{stage: st, device: processor(&e.options)}}}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.load(ctx, 0); err != nil {
		return nil, err
	}
	if b == nil {
		b = e.ringBatch(c.kinds)
	}
	n := len(b.Tokens)
	out, err := c.run(ctx, ofSize{Size: model.Size{Tokens: n, Want: 1}}, b)
	if err != nil {
		return nil, err
	}
	b.Rows = append([]float32(nil), out.Rows...) // they are the program's, which is closed
	return b, nil
}
