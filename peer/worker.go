package peer

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"eclat/model"
)

// Worker computes stages for coordinators. Its fields are not changed once it serves.
type Worker struct {
	Models []*model.Model // that it has; of a fragments folder with some of the weights too
	Stock  *Stock         // and of models in fragments, which it may fetch; may be nil
	Device model.Device
	Memory func() int64                      // bytes that can be had now, 0 where that is not known
	Limit  int64                             // bytes that all sessions together may take; 0 for no limit but Memory
	Sign   func(text []byte) ([]byte, error) // with the worker's key; nil for receipts without signatures
	Log    func(string)                      // told of sessions and of what ended them; may be nil

	mu   sync.Mutex
	held int64 // bytes that sessions were promised
	open map[*session]bool

	sums    map[*model.Model]string // of Models, once they were asked for
	leaving bool                    // see Drain

	refused atomic.Int32 // streams that are being refused
}

// Bounds of sessions. One coordinator may not have all of them: it needs one for a stage and
// one for what stands by or checks, of each model.
const (
	mostSessions = 64
	mostOfPeer   = 32
	mostRefusing = 64              // streams at a time that are told that there are too many
	refusing     = 5 * time.Second // that they have to ask
	idle         = time.Minute     // that a session without a stage may ask nothing
)

// Serve is a Network's handler of Protocol.
func (w *Worker) Serve(s Stream) {
	ses := &session{w: w, stream: s, writing: newTurn(), frames: frames{rw: s}, largest: mostEcho}
	w.mu.Lock()
	if w.open == nil {
		w.open = map[*session]bool{}
	}
	of := 0
	for o := range w.open {
		if o.stream.Peer() == s.Peer() {
			of++
		}
		if at := o.stream.Address(); o.stream.Peer() == s.Peer() && at != s.Address() && at != "" && s.Address() != "" {
			ses.doubt = fmt.Errorf("this key is used from %s too: each machine needs a key of its own", at)
		}
	}
	n := len(w.open)
	full := n >= mostSessions || of >= mostOfPeer
	if !full {
		w.open[ses] = true
	}
	w.mu.Unlock()
	if full {
		w.refuse(s, fmt.Errorf("%w: this worker has %d sessions, %d of them this coordinator's, and takes no more", model.ErrNoMemory, n, of))
		return
	}
	err := ses.serve()
	w.mu.Lock()
	delete(w.open, ses)
	w.held -= ses.promised
	w.mu.Unlock()
	if err != nil {
		s.Reset()
		w.log(fmt.Sprintf("%s: %v", short(s.Peer()), err))
		return
	}
	s.Close()
}

// refuse answers the first request of a stream with an error.
func (w *Worker) refuse(s Stream, err error) {
	defer w.refused.Add(-1)
	if w.refused.Add(1) > mostRefusing {
		s.Reset()
		return
	}
	s.SetReadDeadline(time.Now().Add(refusing))
	s.SetWriteDeadline(time.Now().Add(refusing))
	fr := frames{rw: s}
	var r request
	if _, fault := fr.read(&r, nil, 0); fault != nil || fr.write(&reply{Seq: r.Seq, Err: fail(err)}, nil) != nil {
		s.Reset()
		return
	}
	s.Close()
}

// Sessions is how many there are, and what memory they were promised, in bytes.
func (w *Worker) Sessions() (n int, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.open), w.held
}

func (w *Worker) log(text string) {
	if w.Log != nil {
		w.Log(text)
	}
}

// find returns the model of a sum.
func (w *Worker) find(sum string) (*model.Model, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sums == nil { // the files are open, so they stay what they are
		w.sums = map[*model.Model]string{}
	}
	for _, m := range w.Models {
		if w.sums[m] == "" {
			w.sums[m], _ = ModelSum(m)
		}
		if s := w.sums[m]; s != "" && s == sum {
			return m, nil
		}
	}
	if s := w.Stock.of(func(s *stocked) bool { return s.sum == sum }); s != nil {
		return s.m, nil
	}
	return nil, errNoModel
}

// promise sets memory aside for a session's stage, or refuses.
func (w *Worker) promise(s *session, m *model.Model, r model.FitRequest) (*model.Fitting, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Host = w.available()
	fit, err := w.Device.Fit(m, r)
	if err != nil {
		return nil, err
	}
	if s != nil {
		need := fit.Weights + fit.Mapped + fit.Memory + fit.Work
		if w.Limit > 0 && need > w.Limit-w.held {
			return nil, fmt.Errorf("%w: the stage takes %d MiB, %d of %d are left", model.ErrNoMemory, need>>20, (w.Limit-w.held)>>20, w.Limit>>20)
		}
		s.promised = need
		w.held += need
	}
	return fit, nil
}

// available is what Fit is told there is; the lock is held.
func (w *Worker) available() (n int64) {
	if w.Memory != nil {
		n = w.Memory()
	}
	if w.Limit > 0 {
		if left := w.Limit - w.held; n == 0 || left < n {
			n = max(1, left)
		}
	}
	return n
}
