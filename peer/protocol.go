package peer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"eclat/model"
	"eclat/model/rows"
	"eclat/model/sample"
)

// What a coordinator asks for. Every request has one answer, in order; Cancel has none
// of its own and ends the one that runs.
const (
	opHello   = "hello"
	opPrepare = "prepare" // the header of a manifest's model
	opFit     = "fit"
	opLoad    = "load"
	opCompile = "compile"
	opRun     = "run"
	opRead    = "read" // an activation of the last run
	opDrop    = "drop" // a program
	opCopy    = "copy"
	opSave    = "save"
	opRestore = "restore"
	opRates   = "rates"
	opCancel  = "cancel"
	opEcho    = "echo"   // the body again
	opTime    = "time"   // what a token takes
	opStatus  = "status" // what the worker is at
	opGather  = "gather" // the fragments of a load that comes
)

// beat is how often a worker that computes says so, and silence after how long without a
// word it counts as lost.
const (
	beat    = 500 * time.Millisecond
	silence = 4 * beat
)

// A frame that has begun must come at this rate at least, in bytes a second, and a request
// be answered within this time, whatever its beats say.
const (
	slowest  = 16 << 10
	mostTime = 10 * time.Minute
)

// request is the head of a frame to a worker. Fields are of the op that they are named
// after or that has them.
type request struct {
	Op      string
	Seq     uint32            // counts requests; a cancel has that of the one it ends
	Hello   *hello            `json:",omitempty"`
	Prepare string            `json:",omitempty"` // a manifest's id
	Fit     *model.FitRequest `json:",omitempty"`
	Load    *load             `json:",omitempty"`
	Compile *compile          `json:",omitempty"`
	Run     *run              `json:",omitempty"`
	Program int               `json:",omitempty"` // of run and drop
	Pool    int               `json:",omitempty"` // of copy, save and restore
	From    int32             `json:",omitempty"`
	Tensor  model.ID          `json:",omitempty"` // of read
	Time    *model.Stage      `json:",omitempty"`
	Rows    string            `json:",omitempty"` // of hello, compile and time: the format of rows; "" for float32
	To      int32             `json:",omitempty"`
}

// hello says who speaks. Both sides say it, and refuse each other where versions differ.
type hello struct {
	Numbers int    // numerics.Version
	Model   string `json:",omitempty"` // of a coordinator: modelSum
}

// load names a stage.
type load struct {
	Stage model.Stage
	Room  model.Room
	Plan  string // planSum
	Nonce string // of receipts

	Programs []model.FitProgram // all that may be compiled, for which memory is set aside
}

type compile struct {
	Sample  bool // the plan ends with tokens
	Options model.CompileOptions
}

// run is a model.Batch without its rows, which are the body.
type run struct {
	Tokens []int32
	Pos    []int32
	Seqs   []model.SeqRun
	Want   []int32
	How    []how
}

// how is sample.Params; a probability of 0.1 is the same float32 on both sides.
type how = sample.Params

// reply is the head of a frame from a worker.
type reply struct {
	Seq     uint32         // of the request that it answers
	Beat    bool           `json:",omitempty"` // nothing but that it goes on, or how far it is
	What    string         `json:",omitempty"` // of a beat: what loads, and how far that is
	Done    int64          `json:",omitempty"`
	Total   int64          `json:",omitempty"`
	Err     *failure       `json:",omitempty"`
	Hello   *welcome       `json:",omitempty"`
	Rows    string         `json:",omitempty"` // of hello: the format again; an older worker, which knows none, leaves it out
	Fit     *model.Fitting `json:",omitempty"`
	Load    *loaded        `json:",omitempty"`
	Program int            `json:",omitempty"`
	Tokens  []int32        `json:",omitempty"`
	Receipt *Receipt       `json:",omitempty"` // of a run
	Rates   *rates         `json:",omitempty"`
	Token   time.Duration  `json:",omitempty"` // of time
	Status  *Status        `json:",omitempty"`
	Leaving bool           `json:",omitempty"` // the worker will end: another should take its place
}

type welcome struct {
	hello
	Device who
}

type loaded struct {
	Units   []int  // bytes of a unit of each pool
	Weights string // weightsSum
	Held    int64  // bytes of device memory
}

// who is what a coordinator learns of a worker's device: model.DeviceInfo without what
// concerns only the worker itself.
type who struct {
	Backend, Name, Driver, Kernels string
	Kind                           model.DeviceKind
	Threads, Chunk                 int
	Memory                         int64
}

func whoIs(i model.DeviceInfo) who {
	return who{i.Backend, i.Name, i.Driver, i.Kernels, i.Kind, i.Threads, i.Chunk, i.Memory}
}

// info is what the device says, bounded.
func (w *who) info() model.DeviceInfo {
	text := func(s string) string { return strings.ToValidUTF8(fmt.Sprintf("%.80s", s), "?") }
	return model.DeviceInfo{
		Backend: text(w.Backend), Name: text(w.Name), Driver: text(w.Driver), Kernels: text(w.Kernels), Kind: min(w.Kind, model.DiscreteGPU),
		Threads: max(0, min(w.Threads, 1<<16)), Chunk: max(1, min(w.Chunk, mostTokens)), Memory: max(0, w.Memory),
	}
}

type rates struct{ Copy, Read float64 } // bytes a second

// failure is an error on its way.
type failure struct {
	Kind string // what errors.Is it on the other side: memory, device, lost, model, unsupported, cancelled, rows; "" for none of them
	Text string
}

// kinds of errors that mean something to an engine.
var kinds = []struct {
	name string
	err  error
}{
	{"memory", model.ErrNoMemory},
	{"lost", model.ErrLost},
	{"device", model.ErrNoDevice},
	{"model", errNoModel},
	{"cancelled", context.Canceled},
	{"rows", rows.ErrRange},
}

// fail makes a failure of an error.
func fail(err error) *failure {
	f := &failure{Text: shorten(err.Error())}
	var u model.UnsupportedError
	if errors.As(err, &u) {
		f.Kind = "unsupported"
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			f.Kind = k.name
		}
	}
	return f
}

// shorten bounds a text from elsewhere.
func shorten(s string) string { return fmt.Sprintf("%.500s", s) }

// Error is what a peer answered.
type Error struct {
	Peer string
	Text string // quoted where it is shown
	kind error
}

func (e *Error) Error() string { return fmt.Sprintf("peer %s: %.300q", short(e.Peer), e.Text) }
func (e *Error) Unwrap() error { return e.kind }

// formatName is a format in a request, and formatOf what a request means by it.
func formatName(f rows.Format) string {
	if f == rows.F32 { // as workers say it that know no other
		return ""
	}
	return f.String()
}

func formatOf(name string) (rows.Format, error) {
	if name == "" {
		return rows.F32, nil
	}
	f, err := rows.Parse(name)
	if err != nil {
		err = fmt.Errorf("rows as %.20q are of another release: this one knows f32, f16 and q8_0", name)
	}
	return f, err
}

// answerFormat is how a stage's answers travel where its rows do as f: logits come as they are.
func answerFormat(f rows.Format, p *model.Plan) rows.Format {
	if p.Stage.Head {
		return rows.F32
	}
	return f
}

// short is a peer's id for people.
func short(id string) string {
	id, _, _ = strings.Cut(id, "@")
	id = id[strings.LastIndex(id, "/")+1:]
	if len(id) > 16 {
		return id[:6] + "…" + id[len(id)-6:]
	}
	return id
}

// error makes an error of a failure.
func (f *failure) error(peer string) error {
	e := &Error{Peer: peer, Text: shorten(f.Text)}
	for _, k := range kinds {
		if k.name == f.Kind {
			e.kind = k.err
		}
	}
	if f.Kind == "unsupported" {
		return model.Unsupported(e)
	}
	return e
}
