package compare

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"eclat/engine"
	"eclat/model/sample"
)

// Header says what a side computes.
type Header struct {
	Program string   `json:"program"`      // name and version of what computed it
	Model   string   `json:"model"`        // the model's name, for people
	File    string   `json:"file"`         // name of the model's file, without its folder
	Weights string   `json:"weights_sum"`  // record.WeightsSum of the model; may be empty for a live side
	Device  string   `json:"device"`       // for people
	Driver  string   `json:"driver"`       // may be empty
	Batch   int      `json:"batch"`        // tokens computed at once
	Time    string   `json:"time"`         // RFC 3339
	Vocab   int      `json:"vocab"`        // tokens in the vocabulary
	Tokens  []int32  `json:"tokens"`       // the text
	Tensors []Tensor `json:"tensor_table"` // in the order of computing; the last is the logits
}

// Tensor is one step's output.
type Tensor struct {
	Name  string `json:"name"`
	Op    string `json:"op"`
	Layer int    `json:"layer"` // −1 outside the layers
	Cols  int    `json:"cols"`  // elements in a row
	// Every says that only every so many elements of a row are known: those at
	// (position mod Every), and so on in steps of Every. 1 for all.
	Every int `json:"every"`
}

// kept returns how many elements of the row at a position are known.
func (t *Tensor) kept(pos int) int {
	first := pos % t.Every
	return max(0, (t.Cols-first+t.Every-1)/t.Every)
}

// Side is one of two computations. Row returns the known values of every tensor
// at a position; positions come in order from 0, and the values stand until the
// next call. Logits that are not finite are engine.ErrNotFinite. After an error, of ctx
// for one, the same position can be asked for again.
type Side interface {
	Header() *Header
	Row(ctx context.Context, pos int) ([][]float32, error)
}

// Live is a side that computes.
type Live struct {
	e     *engine.Engine
	head  Header
	probe *engine.Probe
	steps []int       // index in probe.Steps of each tensor
	data  [][]float32 // of each tensor, (batch, Cols)
	first int         // position of data's first row
	rows  int         // rows computed
	read  bool        // they are in data
	out   [][]float32
}

// rowMemory is how many bytes of activations a live side keeps at once unless told
// how many tokens to compute together; the device keeps as many again.
const rowMemory = 256 << 20

// Probe is the probe that NewLive opens for n tokens, for engine.Options.Probe. batch
// is how many tokens to compute at once: 1 is the way of generating, more the way of
// reading a prompt; 0 chooses the chunk of prompts or what memory is reasonable for.
func Probe(e *engine.Engine, n, batch int) engine.ProbeOptions {
	if batch <= 0 {
		batch = e.Chunk
		if row := rowBytes(e); row > 0 {
			batch = int(min(int64(batch), max(1, rowMemory/row)))
		}
	}
	return engine.ProbeOptions{Tokens: max(1, min(batch, n)), Trace: true}
}

// NewLive makes a side of an open model, which computes batch tokens at once; see
// Probe.
func NewLive(ctx context.Context, e *engine.Engine, tokens []int32, batch int) (*Live, error) {
	o := Probe(e, len(tokens), batch)
	batch = o.Tokens
	probe, err := e.NewProbe(ctx, o)
	if err != nil {
		return nil, err
	}
	l := &Live{e: e, probe: probe, head: Header{
		Model:  e.Model.Config.Name,
		File:   filepath.Base(e.Model.File.Path),
		Device: e.Device(),
		Batch:  batch,
		Vocab:  e.Model.Config.NVocab,
		Tokens: tokens,
	}}
	for i, st := range probe.Steps {
		if !st.Kept {
			continue
		}
		l.steps = append(l.steps, i)
		l.head.Tensors = append(l.head.Tensors, Tensor{st.Name, st.Op.String(), st.Layer, st.Cols, 1})
		l.data = append(l.data, make([]float32, batch*st.Cols))
	}
	l.out = make([][]float32, len(l.steps))
	return l, nil
}

// rowBytes is how many bytes of activations one token has.
func rowBytes(e *engine.Engine) int64 {
	steps, err := e.Steps()
	if err != nil {
		return 0
	}
	var n int64
	for _, st := range steps {
		if st.Kept {
			n += int64(st.Cols) * 4
		}
	}
	return n
}

// Header implements Side.
func (l *Live) Header() *Header { return &l.head }

// Row implements Side.
func (l *Live) Row(ctx context.Context, pos int) ([][]float32, error) {
	if pos >= l.first+l.rows {
		ids := l.head.Tokens[pos:min(pos+l.head.Batch, len(l.head.Tokens))]
		if _, err := l.probe.Run(ctx, ids); err != nil {
			return nil, err
		}
		l.first, l.rows, l.read = pos, len(ids), false
	}
	if !l.read {
		for i, step := range l.steps {
			if _, err := l.probe.Read(ctx, step, l.data[i]); err != nil {
				return nil, err
			}
		}
		l.read = true
	}
	for i := range l.out {
		n := l.head.Tensors[i].Cols
		l.out[i] = l.data[i][(pos-l.first)*n:][:n]
	}
	if logits := l.out[len(l.out)-1]; !sample.Finite(logits) {
		device, _, _ := strings.Cut(l.head.Device, " ") // which side it is
		return nil, fmt.Errorf("%s: %w", device, l.e.NotFinite(ctx, pos))
	}
	return l.out, nil
}

// Close frees the side; the engine stays open.
func (l *Live) Close() error { return l.probe.Close() }

// pick returns the elements of x, the row at pos of a tensor known whole, that t
// knows. It uses dst's memory where something is left out.
func pick(dst, x []float32, t *Tensor, pos int) []float32 {
	if t.Every == 1 {
		return x
	}
	dst = dst[:0]
	for i := pos % t.Every; i < len(x); i += t.Every {
		dst = append(dst, x[i])
	}
	return dst
}

// sameTensors reports whether two sides compute the same steps.
func sameTensors(a, b *Header) bool {
	return slices.EqualFunc(a.Tensors, b.Tensors, func(x, y Tensor) bool {
		return x.Name == y.Name && x.Op == y.Op && x.Cols == y.Cols
	})
}
