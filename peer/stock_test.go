package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/numerics"
	"eclat/peer/place"
)

// cutUp makes a fragments folder of a model.
func cutUp(t testing.TB, path string) (dir string, m *manifest.Manifest) {
	t.Helper()
	dir = t.TempDir()
	f, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := fragment.Write(context.Background(), f, dir, fragment.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = manifest.Read(r.Path); err != nil {
		t.Fatal(err)
	}
	return dir, m
}

// blobsOf offers a folder.
func blobsOf(dir string) *Blobs { b := &Blobs{}; b.Add(dir); return b }

// offer lets a machine give a folder's fragments.
func offer(l *lan, id, dir string) *machine {
	m := l.join(id)
	m.Handle(BlobProtocol, blobsOf(dir).Serve)
	return m
}

// workOn starts a worker with a folder of fragments, which is empty.
func workOn(t testing.TB, l *lan, id string, sources ...string) (*machine, *Worker, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), id)
	m := offer(l, id, dir)
	w := &Worker{Device: cpu.Devices(1)[0], Stock: &Stock{Net: m, Fetcher: fragment.Fetcher{Dir: dir, Notice: func(s string) { t.Log(id, s) }}}}
	for _, s := range sources {
		w.Stock.Sources = append(w.Stock.Sources, NewSource(m, s))
	}
	m.Handle(Protocol, w.Serve)
	t.Cleanup(func() { m.kill(); w.Stock.Close() })
	return m, w, dir
}

// blobs lists the blobs of a folder.
func blobs(t testing.TB, dir string) (sums []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		sums = append(sums, filepath.Base(path))
	}
	slices.Sort(sums)
	return sums
}

// of are the blobs of some fragments, and of the header.
func of(m *manifest.Manifest, names ...string) (sums []string) {
	for _, p := range m.Source.Parts {
		sums = append(sums, p.Header.String())
	}
	for _, f := range m.Fragments {
		if f.Name == manifest.HeaderFragment || slices.Contains(names, f.Name) {
			for _, b := range fragment.BlobsOf(m, f.Tensors) {
				sums = append(sums, b.String())
			}
		}
	}
	slices.Sort(sums)
	return slices.Compact(sums)
}

// TestStock: a model is known by its manifest's id alone; this machine and two workers
// fetch what their layers take, and no more, and the answer has the bits of one machine
// with the file. A source that flips bits is banned, and the fetch ends from another.
func TestStock(t *testing.T) {
	full, m := cutUp(t, builtIn)
	want := proof(t, openEngine(t, builtIn, engine.Options{}), 24, nil)
	l := &lan{}
	offer(l, "full", full)
	flipping := offer(l, "flips", full)
	flipping.meddle = func(b []byte) []byte {
		if len(b) > 20000 {
			b[len(b)-100] ^= 1
		}
		return b
	}
	_, _, dirA := workOn(t, l, "a", "flips", "full")
	_, _, dirB := workOn(t, l, "b") // it has this machine alone to ask
	here := t.TempDir()
	home := offer(l, "home", here)
	by := &fragment.Fetcher{Dir: here}
	from := []fragment.Source{NewSource(home, "full")}
	path, err := by.Manifest(context.Background(), m.ID, from)
	if err != nil {
		t.Fatal(err)
	}
	fetch := func(ctx context.Context, m *model.Model, st model.Stage, room model.Room) error {
		return FetchStage(ctx, by, m, st, room, from, nil)
	}
	open := func(o engine.Options) (*engine.Engine, error) {
		f, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		o.Device, o.Threads, o.Context, o.Fetch = "cpu", 1, 512, fetch
		return engine.Open(context.Background(), f, o)
	}
	device := func(id string) *Device {
		d, err := Find(context.Background(), Device{Net: home, Peers: []string{id}, Manifest: m.ID.String()})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	// Worker b lacks the layers, and so does this machine: the error says which.
	if _, err := open(engine.Options{Layers: []int{2, 4}, Peers: []model.Device{device("b")}}); err == nil || !strings.Contains(err.Error(), "missing: layer-2") {
		t.Fatalf("nobody has them: %v", err)
	}
	// It fetches them from this machine, once they are here.
	if err := by.Blobs(context.Background(), m, fragment.BlobsOf(m, tensors(m, "layer-4", "layer-5")), from, nil); err != nil {
		t.Fatal(err)
	}
	two := []*Device{device("a"), device("b")}
	gather := func(ctx context.Context, i int, m *model.Model, st model.Stage, room model.Room) error {
		return two[i].Gather(ctx, m, st, room, nil)
	}
	e, err := open(engine.Options{Layers: []int{2, 2, 2}, Peers: []model.Device{two[0], two[1]}, Gather: gather})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got := proof(t, e, 24, nil); got != want {
		t.Errorf("in fragments %s, alone %s", got, want)
	}
	for dir, names := range map[string][]string{dirA: {"layer-2", "layer-3"}, dirB: {"layer-4", "layer-5"}, here: {"embed", "layer-0", "layer-1", "layer-4", "layer-5", "head"}} {
		if got, want := blobs(t, dir), of(m, names...); !slices.Equal(got, want) {
			t.Errorf("%s has %d blobs, %v take %d", dir, len(got), names, len(want))
		}
	}
}

// tensors of some fragments.
func tensors(m *manifest.Manifest, names ...string) (all []string) {
	for _, f := range m.Fragments {
		if slices.Contains(names, f.Name) {
			all = append(all, f.Tensors...)
		}
	}
	return all
}

// TestBanned: a source that gives wrong bytes is asked no more.
func TestBanned(t *testing.T) {
	full, m := cutUp(t, builtIn)
	l := &lan{}
	offer(l, "full", full)
	bad := offer(l, "bad", full)
	bad.meddle = func(b []byte) []byte {
		if len(b) > 20000 {
			b[len(b)-100] ^= 1
		}
		return b
	}
	me := l.join("me")
	var said []string
	f := &fragment.Fetcher{Dir: t.TempDir(), Notice: func(s string) { said = append(said, s) }}
	from := []fragment.Source{NewSource(me, "full"), NewSource(me, "bad")}
	path, err := f.Manifest(context.Background(), m.ID, from)
	if err == nil {
		err = f.Blobs(context.Background(), m, fragment.BlobsOf(m, tensors(m, "embed", "layer-0", "layer-1", "layer-2", "layer-3", "layer-4", "layer-5", "head")), from, nil)
	}
	if err != nil || len(said) != 1 || !strings.HasPrefix(said[0], "peer bad gave wrong bytes") {
		t.Fatalf("%v, %q", err, said)
	}
	r, err := fragment.Verify(context.Background(), path, nil, fragment.Options{})
	if err != nil || r.Err() != nil {
		t.Errorf("%v, %v", err, r.Err())
	}
}

// TestBlobsHostile: nothing but manifests and blobs can be had, and no more than a chunk.
func TestBlobsHostile(t *testing.T) {
	dir, m := cutUp(t, builtIn)
	b := m.Blobs[0]
	secret := filepath.Join(t.TempDir(), "secret")
	os.WriteFile(secret, []byte("secret"), 0o600)
	link := strings.Repeat("ab", 32)
	os.MkdirAll(filepath.Join(dir, "blobs", "ab"), 0o755)
	os.Symlink(secret, filepath.Join(dir, "blobs", "ab", link))
	os.Symlink(secret, filepath.Join(dir, "x."+link+".json"))
	ask := func(head any, body []byte) string {
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			blobsOf(dir).Serve(&pipe{Conn: there, peer: "hostile", other: here})
		}()
		go func() {
			here.Write(frame(head, body))
			time.Sleep(10 * time.Millisecond)
			here.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		}()
		answer, _ := io.ReadAll(io.LimitReader(here, 1<<20))
		here.Close()
		<-done
		return string(answer)
	}
	for name, r := range map[string]any{
		"a path":            blobRequest{Blob: "../../etc/passwd", Length: 1},
		"a path of an id":   blobRequest{Manifest: "../" + m.ID.String()},
		"capitals":          blobRequest{Blob: strings.ToUpper(b.Sum.String()), Length: 1},
		"a link":            blobRequest{Blob: link, Length: 6},
		"a manifest's link": blobRequest{Manifest: link},
		"2^63−1 bytes":      blobRequest{Blob: b.Sum.String(), Length: math.MaxInt64},
		"from 2^63−1":       blobRequest{Blob: b.Sum.String(), Offset: math.MaxInt64, Length: 1},
		"from below 0":      blobRequest{Blob: b.Sum.String(), Offset: -1, Length: 1},
		"no bytes":          blobRequest{Blob: b.Sum.String()},
		"one too many":      blobRequest{Blob: b.Sum.String(), Offset: b.Size, Length: 1},
		"2^64":              json.RawMessage(`{"Blob":"` + b.Sum.String() + `","Length":18446744073709551616}`),
		"nothing":           blobRequest{},
		"not here":          blobRequest{Blob: strings.Repeat("0", 64), Length: 1},
	} {
		answer := ask(r, nil)
		if strings.Contains(answer, "secret") || strings.Contains(answer, "root:") || name != "2^64" && !strings.Contains(answer, `"Err"`) {
			t.Errorf("%s: %.100q", name, answer)
		}
	}
	large := strings.Repeat("cd", 32)
	os.MkdirAll(filepath.Join(dir, "blobs", "cd"), 0o755)
	os.WriteFile(filepath.Join(dir, "blobs", "cd", large), make([]byte, 2*manifest.ChunkBytes), 0o444)
	if answer := ask(blobRequest{Blob: large, Length: manifest.ChunkBytes + 1}, nil); !strings.Contains(answer, "at most a chunk") {
		t.Errorf("more than a chunk: %.100q", answer)
	}
	if answer := ask(blobRequest{Blob: b.Sum.String(), Length: 1}, []byte("body")); answer != "" {
		t.Errorf("a body: %.100q", answer)
	}
	if answer := ask(blobRequest{Blob: b.Sum.String(), Length: b.Size}, nil); int64(len(answer)) < b.Size {
		t.Errorf("a whole blob: %d bytes of %d", len(answer), b.Size)
	}
}

// TestSourceHostile: a source that answers more, nothing, rubbish or never ends fails.
func TestSourceHostile(t *testing.T) {
	l := &lan{}
	for name, say := range map[string]func(s Stream){
		"more":    func(s Stream) { s.Write(frame(&blobReply{Size: 10}, make([]byte, 11))) },
		"less":    func(s Stream) { s.Write(frame(&blobReply{Size: 10}, make([]byte, 3))) },
		"2^63":    func(s Stream) { s.Write(frame(&blobReply{Size: math.MaxInt64}, make([]byte, 3))) },
		"nothing": func(s Stream) { s.Write(frame(&blobReply{Size: 10}, nil)) },
		"rubbish": func(s Stream) { s.Write(bytes.Repeat([]byte{0xee}, 64)) },
	} {
		m := l.join(name)
		m.Handle(BlobProtocol, func(s Stream) {
			var r blobRequest
			(&frames{rw: s}).read(&r, nil, 0)
			say(s)
			s.Reset()
		})
		n := 0
		err := NewSource(l.join("me"), name).Read(context.Background(), manifest.Sum{}, 0, 10, func(p []byte) error { n += len(p); return nil })
		if err == nil || errors.Is(err, fs.ErrNotExist) || n > 10 {
			t.Errorf("%s: %v after %d bytes", name, err, n)
		}
	}
}

// TestTogether: a worker serves as many coordinators as it has memory for; the next one
// is refused with what it takes and what is left, and may come when one has gone.
func TestTogether(t *testing.T) {
	l := &lan{}
	_, w := work(t, l, "a", builtIn)
	open := func() (*engine.Engine, error) {
		f, err := loader.Open(builtIn)
		if err != nil {
			t.Fatal(err)
		}
		return engine.Open(context.Background(), f, engine.Options{Device: "cpu", Threads: 1, Context: 512, Layers: []int{2, 4}, Peers: []model.Device{find(t, l, "a")}})
	}
	first, err := open()
	if err != nil {
		t.Fatal(err)
	}
	_, each := w.Sessions()
	w.mu.Lock()
	w.Limit = 2*each + each/2
	w.mu.Unlock()
	want := proof(t, first, 10, nil)
	second, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(); !errors.Is(err, model.ErrNoMemory) || !strings.Contains(err.Error(), "are needed") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a third: %v", err)
	}
	if got := proof(t, second, 10, nil); got != want {
		t.Errorf("the second: %s, the first %s", got, want)
	}
	first.Close()
	for range 100 {
		if _, bytes := w.Sessions(); bytes <= each {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	third, err := open()
	if err != nil {
		t.Fatal(err)
	}
	third.Close()
	second.Close()
}

// TestDrain: a worker that ends lets another take over: no token is lost, and it has
// nobody left before its time is up. One that came meanwhile is found.
func TestDrain(t *testing.T) {
	l := &lan{}
	_, a := work(t, l, "a", builtIn)
	work(t, l, "b", builtIn)
	want := proof(t, openEngine(t, builtIn, engine.Options{}), 60, nil)
	for name, d := range map[string]Device{
		"a standby": {Net: l.join("home"), Peers: []string{"a", "b"}},
		"one added": {Net: l.join("home"), Peers: []string{"a"}, More: func() []string { return []string{"b"} }},
	} {
		a.mu.Lock()
		a.leaving = false
		a.mu.Unlock()
		dev, err := Find(context.Background(), d)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{dev}, Notice: func(s string) { said = append(said, s) }})
		left := make(chan int, 1)
		got := proof(t, e, 60, func(i int) {
			if i == 9 {
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					left <- a.Drain(ctx)
				}()
				for !a.isLeaving() {
					time.Sleep(time.Millisecond)
				}
			}
		})
		if n := <-left; got != want || n != 0 || e.Losses() != 1 || !strings.Contains(strings.Join(said, "\n"), "is leaving") {
			t.Errorf("%s: %s with %d cut off and %d losses, alone %s; %q", name, got, n, e.Losses(), want, said)
		}
		if _, err := Find(context.Background(), Device{Net: l.join("late"), Peers: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "is leaving") {
			t.Errorf("who comes late: %v", err)
		}
		e.Close()
	}
}

// TestMeasure: a worker tells how fast it is and what it is at.
func TestMeasure(t *testing.T) {
	l := &lan{}
	_, w := work(t, l, "a", builtIn)
	d := find(t, l, "a")
	m := backendtest.Open(t, builtIn)
	far, err := d.Measure(context.Background(), m, model.Stage{First: 3, End: 4})
	if err != nil || far.Token <= 0 || far.Hop <= 0 || far.Rate <= 0 {
		t.Errorf("%+v, %v", far, err)
	}
	for name, st := range map[string]model.Stage{"two layers": {First: 3, End: 5}, "layer 99": {First: 99, End: 100}, "the embedding": {Embed: true}} {
		if _, err := d.Measure(context.Background(), m, st); err == nil {
			t.Errorf("%s was timed", name)
		}
	}
	e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{d}})
	s, err := Ask(context.Background(), l.join("asking"), "a")
	if err != nil || s.Sessions != 1 || s.Held == 0 || len(s.Models) != 1 || s.Leaving {
		t.Errorf("%+v, %v", s, err)
	}
	e.Close()
	if n, _ := w.Sessions(); n > 2 {
		t.Errorf("%d sessions are left", n)
	}
}

// TestMeasureWay: what a run takes is told apart from the way there and back, and a worker that
// says it took longer than was waited for is not asked again.
func TestMeasureWay(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	st := model.Stage{First: 3, End: 4}
	synctest.Test(t, func(t *testing.T) {
		l := &lan{delay: 10 * time.Millisecond}
		f := &floor{}
		a := l.join("a")
		a.Handle(Protocol, (&Worker{Models: []*model.Model{m}, Device: &slow{cpu.Devices(1)[0], 8, f}}).Serve)
		d := find(t, l, "a")
		far, err := d.Measure(context.Background(), m, st)
		if err != nil || far.Token != time.Second || far.Hop < 2*l.delay || far.Hop > 3*l.delay || f.runs < 3 {
			t.Errorf("%+v of %d runs of a second %v away: %v", far, f.runs, l.delay, err)
		}
		a.meddle = rewrite(2, func(r *reply, body []byte) ([]byte, int) {
			if r.Token > 0 {
				r.Token = time.Minute
			}
			return body, 1
		})
		if _, err := d.Measure(context.Background(), m, st); !errors.Is(err, model.ErrLost) || !strings.Contains(err.Error(), "a layer in 1m0s") || d.losses["a"] < mostLosses {
			t.Errorf("a minute of a second: %v, %v", err, d.losses)
		}
		a.kill()
		synctest.Wait()
	})
}

// TestPlaced: without layers given they are placed by what was measured; the bits stay.
func TestPlaced(t *testing.T) {
	l := &lan{}
	work(t, l, "a", builtIn)
	_, small := work(t, l, "b", builtIn)
	small.Limit = 1 << 20
	want := proof(t, openEngine(t, builtIn, engine.Options{}), 10, nil)
	for _, pin := range []int{0, 1} {
		far := []*Device{find(t, l, "a"), find(t, l, "b")}
		var said []string
		e := openEngine(t, builtIn, engine.Options{
			Peers: []model.Device{far[0], far[1]}, Pin: pin, Notice: func(s string) { said = append(said, s) }, AnySpeed: true,
			Measure: func(ctx context.Context, i int, m *model.Model, st model.Stage) (f place.Far, err error) {
				f, err = far[i].Measure(ctx, m, st)
				if f.Token /= 1000; i == 0 {
					f.Hop /= 1000 // all of it is faster there
				}
				return f, err
			},
		})
		if got := proof(t, e, 10, nil); got != want {
			t.Errorf("pin %d: %s, alone %s", pin, got, want)
		}
		text := strings.Join(said, "\n")
		if !strings.Contains(text, "placement: about ") || !strings.Contains(text, "a round trip a token") && !strings.Contains(text, "1 round trip a token") && !strings.Contains(text, "0 round trips a token") {
			t.Errorf("pin %d: %q", pin, text)
		}
		e.Close()
	}
	slow := func(context.Context, int, *model.Model, model.Stage) (place.Far, error) {
		return place.Far{Token: time.Nanosecond, Hop: time.Second, Rate: 1}, nil
	}
	f, err := loader.Open(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Open(context.Background(), f, engine.Options{Device: "cpu", Threads: 1, Context: 512, Peers: []model.Device{find(t, l, "a")}, Measure: slow})
	if err != nil { // it fits at home, which is fast enough
		t.Errorf("%v", err)
	}
}

// TestLacking: a source whose folder lacks a blob, or has a short one, is said to; another
// that has them completes the fetch.
func TestLacking(t *testing.T) {
	full, m := cutUp(t, builtIn)
	part, _ := cutUp(t, builtIn)
	layer := fragment.BlobsOf(m, tensors(m, "layer-1"))
	gone, short := filepath.Join(part, layer[0].BlobName()), filepath.Join(part, layer[1].BlobName())
	os.Remove(gone)
	os.Chmod(short, 0o600)
	if err := os.Truncate(short, 5); err != nil {
		t.Fatal(err)
	}
	l := &lan{}
	offer(l, "full", full)
	offer(l, "part", part)
	me := l.join("me")
	f := &fragment.Fetcher{Dir: t.TempDir()}
	err := f.Blobs(context.Background(), m, layer, []fragment.Source{NewSource(me, "part")}, nil)
	if err == nil || !strings.Contains(err.Error(), "missing: layer-1 (2 blobs)") || !strings.Contains(err.Error(), "peer part") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if err := f.Blobs(context.Background(), m, layer, []fragment.Source{NewSource(me, "part"), NewSource(me, "full")}, nil); err != nil {
		t.Error(err)
	}
	if got := blobs(t, f.Dir); len(got) != len(layer) {
		t.Errorf("%d blobs of %d", len(got), len(layer))
	}
}

// TestPrepareHostile: whatever a worker is asked to fetch, nothing comes of it but an
// error where nobody has it.
func TestPrepareHostile(t *testing.T) {
	l := &lan{}
	_, w, dir := workOn(t, l, "a")
	for name, r := range map[string]request{
		"nothing":          {Op: opPrepare},
		"a path":           {Op: opPrepare, Prepare: "../../etc/passwd"},
		"one nobody has":   {Op: opPrepare, Prepare: strings.Repeat("0", 64)},
		"an echo too long": {Op: opEcho},
		"time of nothing":  {Op: opTime},
	} {
		var body []byte
		if r.Op == opEcho {
			body = make([]byte, mostEcho+1)
		}
		said := append(frame(&request{Op: opHello, Hello: &hello{Numbers: numerics.Version}}, nil), frame(&r, body)...)
		answer := talkTo(w, said)
		if r.Op != opEcho && !bytes.Contains(answer, []byte(`"Err"`)) || bytes.Contains(answer, []byte("root:")) {
			t.Errorf("%s: %.200q", name, answer)
		}
	}
	if got := blobs(t, dir); len(got) > 0 {
		t.Errorf("left: %v", got)
	}
	bare := &Worker{Device: cpu.Devices(1)[0]}
	if answer := talkTo(bare, frame(&request{Op: opPrepare, Prepare: strings.Repeat("0", 64)}, nil)); !bytes.Contains(answer, []byte("--fragments")) {
		t.Errorf("without a folder: %.200q", answer)
	}
}
