package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/numerics"
)

// talkTo writes bytes to a worker and returns what it says before it ends the stream.
func talkTo(w *Worker, said []byte) []byte {
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); w.Serve(&pipe{Conn: b, peer: "hostile", other: a}) }()
	go func() {
		a.Write(said)
		time.Sleep(10 * time.Millisecond)
		a.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	}()
	answer, _ := io.ReadAll(io.LimitReader(a, 1<<20))
	a.Close()
	<-done
	return answer
}

// frame is one frame; a request without a number gets one that may follow any here.
func frame(head any, body []byte) []byte {
	if r, ok := head.(*request); ok && r.Seq == 0 {
		r.Seq = 9
	}
	var b bytes.Buffer
	f := frames{rw: &b}
	f.write(head, body)
	return b.Bytes()
}

func hostile(t testing.TB) *Worker {
	return &Worker{Models: []*model.Model{backendtest.Open(t, builtIn)}, Device: cpu.Devices(1)[0]}
}

// opening is a hello and a load of the last layers.
func opening(t testing.TB, w *Worker) []byte {
	m := w.Models[0]
	sum, _ := ModelSum(m)
	st, room := model.Stage{First: 4, End: 6}, model.Room{Pages: 4, Seqs: 1, Chunk: 8}
	p, err := m.Plan(st, room)
	if err != nil {
		t.Fatal(err)
	}
	ps, _ := planSum(p)
	return append(frame(&request{Op: opHello, Seq: 1, Hello: &hello{numerics.Version, sum}}, nil),
		frame(&request{Op: opLoad, Seq: 2, Load: &load{Stage: st, Room: room, Plan: ps}}, nil)...)
}

// TestHostile: whatever a coordinator says, a worker answers with an error or ends the
// stream; it takes no memory for what does not come and stays what it is.
func TestHostile(t *testing.T) {
	w := hostile(t)
	open := opening(t, w)
	huge := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.MaxUint32), math.MaxUint32)
	body := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 2), 1<<30)
	batch := func(r run) []byte {
		return append(append(bytes.Clone(open), frame(&request{Op: opCompile, Seq: 3, Compile: &compile{Options: model.CompileOptions{Size: model.Size{Tokens: 8, Want: 8}}}}, nil)...),
			frame(&request{Op: opRun, Seq: 4, Program: 1, Run: &r}, make([]byte, 4*256))...)
	}
	cases := map[string][]byte{
		"lengths of 2^32":       huge,
		"a body of 1 GiB":       append(body, "{}"...),
		"no JSON":               append([]byte{4, 0, 0, 0, 0, 0, 0, 0}, "rubb"...),
		"run first":             frame(&request{Op: opRun}, nil),
		"empty hello":           frame(&request{Op: opHello}, nil),
		"another definition":    frame(&request{Op: opHello, Hello: &hello{Numbers: 99}}, nil),
		"unknown op":            append(bytes.Clone(open), frame(&request{Op: "format c:"}, nil)...),
		"load nothing":          append(bytes.Clone(open), frame(&request{Op: opLoad}, nil)...),
		"no program":            append(bytes.Clone(open), frame(&request{Op: opRun, Program: 77, Run: &run{}}, nil)...),
		"a program of 2^40":     append(bytes.Clone(open), frame(&request{Op: opCompile, Compile: &compile{Options: model.CompileOptions{Size: model.Size{Tokens: 1 << 40}}}}, nil)...),
		"a pool there is not":   append(bytes.Clone(open), frame(&request{Op: opSave, Pool: 9}, nil)...),
		"a unit there is not":   append(bytes.Clone(open), frame(&request{Op: opCopy, From: 1 << 30}, nil)...),
		"a short unit":          append(bytes.Clone(open), frame(&request{Op: opRestore}, []byte{1, 2})...),
		"a page there is not":   batch(run{Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1, Units: [][]int32{{1 << 20}}}}}),
		"a position below 0":    batch(run{Pos: []int32{-5}, Seqs: []model.SeqRun{{N: 1, Units: [][]int32{{0}}}}}),
		"runs of −1 tokens":     batch(run{Pos: []int32{0}, Seqs: []model.SeqRun{{N: -1, Units: [][]int32{{0}}}}}),
		"wanted there is not":   batch(run{Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1, Units: [][]int32{{0}}}}, Want: []int32{7}}),
		"no tables":             batch(run{Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1}}}),
		"a step backwards":      append(bytes.Clone(open), frame(&request{Op: opSave, Seq: 2}, nil)...),
		"a request again":       append(bytes.Clone(open), open...),
		"more rows than tokens": batch(run{Pos: nil, Seqs: nil}),
	}
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, said := range cases {
		answer := talkTo(w, said)
		if strings.Contains(name, " ") && !bytes.Contains(answer, []byte(`"Err"`)) && name != "lengths of 2^32" && name != "a body of 1 GiB" && name != "no JSON" {
			t.Errorf("%s: answered %.200q", name, answer)
		}
		for cut := range 6 { // broken off
			talkTo(w, said[:len(said)*cut/6])
		}
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 1<<30 {
		t.Errorf("%d MiB were taken", grown>>20)
	}
	if n, bytes := w.Sessions(); n != 0 || bytes != 0 {
		t.Errorf("%d sessions with %d bytes are left", n, bytes)
	}
	if answer := talkTo(w, open); !bytes.Contains(answer, []byte(`"Units"`)) {
		t.Errorf("afterwards: %.200q", answer)
	}
}

func FuzzSession(f *testing.F) {
	w := hostile(f)
	open := opening(f, w)
	f.Add(open, []byte("x"))
	f.Add(frame(&request{Op: opCompile, Compile: &compile{}}, nil), []byte{0})
	for _, format := range []string{"f16", "q8_0"} {
		f.Add(frame(&request{Op: opCompile, Seq: 3, Rows: format, Compile: &compile{Options: model.CompileOptions{Size: model.Size{Tokens: 8, Want: 8}}}}, nil),
			frame(&request{Op: opRun, Seq: 4, Program: 1, Run: &run{Pos: []int32{0}, Seqs: []model.SeqRun{{N: 1, Units: [][]int32{{0}}}}}}, make([]byte, 264)))
	}
	f.Fuzz(func(t *testing.T, said, more []byte) {
		talkTo(w, append(append(bytes.Clone(open), said...), more...))
	})
}

// TestLyingWorker: what a worker may answer wrongly in its frames is a lost worker to the
// engine, with its name: lengths, counts, rubbish, silence.
func TestLyingWorker(t *testing.T) {
	for name, meddle := range map[string]func() func([]byte) []byte{
		"rubbish": func() func([]byte) []byte {
			n := 0
			return func(b []byte) []byte {
				if n++; n > 12 {
					r := rand.New(rand.NewPCG(1, uint64(n)))
					for i := range b {
						b[i] = byte(r.Uint32())
					}
				}
				return b
			}
		},
		"too long": func() func([]byte) []byte {
			n := 0
			return func(b []byte) []byte {
				if n++; n > 12 && len(b) > 8 {
					binary.LittleEndian.PutUint32(b[4:], 1<<30)
				}
				return b
			}
		},
		"no rows": func() func([]byte) []byte {
			n := 0
			return func(b []byte) []byte {
				if n++; n > 12 && len(b) > 8 {
					head := b[8:][:binary.LittleEndian.Uint32(b)]
					if binary.LittleEndian.Uint32(b[4:]) > 0 {
						return frame(json.RawMessage(head), nil)
					}
				}
				return b
			}
		},
		"silent": func() func([]byte) []byte {
			n := 0
			return func(b []byte) []byte {
				if n++; n > 12 {
					return nil
				}
				return b
			}
		},
	} {
		l := &lan{}
		a, _ := work(t, l, "a", builtIn)
		work(t, l, "b", builtIn)
		want := proof(t, openEngine(t, builtIn, engine.Options{}), 20, nil)
		d := find(t, l, "a", "b")
		a.meddle = meddle()
		e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{d}})
		if got := proof(t, e, 20, nil); got != want {
			t.Errorf("%s: %s, alone %s", name, got, want)
		}
		if e.Losses() == 0 {
			t.Errorf("%s: nothing was lost", name)
		}
		e.Close()
	}
}

// TestCancel: a request that is given up ends a run on the worker soon, and the next one
// is answered.
func TestCancel(t *testing.T) {
	l := &lan{}
	work(t, l, "a", builtIn)
	e := openEngine(t, builtIn, engine.Options{Layers: []int{0, 6}, Peers: []model.Device{find(t, l, "a")}})
	want := proof(t, e, 5, nil)
	for i := range 30 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*time.Millisecond)
		r := asked(e, 200)
		r.Caller = string(rune('a' + i)) // nothing is found computed
		e.Generate(ctx, r, nil, nil)
		cancel()
	}
	if got := proof(t, e, 5, nil); got != want || e.Losses() != 0 {
		t.Errorf("%s after %d losses, before %s", got, e.Losses(), want)
	}
}
