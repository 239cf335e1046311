package peer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"eclat/model"
	"eclat/model/numerics"
)

// Status is what a worker tells those who may come.
type Status struct {
	Numbers  int      // numerics.Version
	Models   []string // names, of its files and of its fragments
	Sessions int
	Held     int64 // bytes that they were promised
	Left     int64 // bytes that can be had; 0 where that is not known
	Leaving  bool
	Device   string
}

// mostNamed bounds the models that a status names.
const mostNamed = 64

func (w *Worker) status() *Status {
	info := w.Device.Info()
	s := &Status{Numbers: numerics.Version, Device: info.Describe()}
	for _, m := range w.Models {
		s.Models = append(s.Models, m.Config.Name)
	}
	if w.Stock != nil {
		w.Stock.mu.Lock()
		for _, k := range w.Stock.models {
			s.Models = append(s.Models, fmt.Sprintf("%s (%.16s…)", k.m.Config.Name, k.id))
		}
		w.Stock.mu.Unlock()
	}
	s.Models = s.Models[:min(len(s.Models), mostNamed)]
	w.mu.Lock()
	defer w.mu.Unlock()
	for ses := range w.open {
		if ses.promised > 0 {
			s.Sessions++
		}
	}
	s.Held, s.Left, s.Leaving = w.held, w.available(), w.leaving
	return s
}

// Ask asks a worker what it is at.
func Ask(ctx context.Context, net Network, peer string) (*Status, error) {
	d := &Device{Net: net, Peers: []string{peer}}
	l, err := d.dial(ctx, peer, "")
	if err != nil {
		return nil, err
	}
	defer l.stream.Close()
	rep, _, err := l.ask(ctx, &request{Op: opStatus}, nil, 0, nil)
	if err != nil {
		return nil, err
	}
	if rep.Status == nil {
		return nil, fmt.Errorf("peer %s: it does not say what it is at", short(peer))
	}
	s := rep.Status
	s.Models, s.Device = s.Models[:min(len(s.Models), mostNamed)], shorten(s.Device)
	for i := range s.Models {
		s.Models[i] = shorten(s.Models[i])
	}
	return s, nil
}

// errLeaving answers those who come while a worker ends.
var errLeaving = fmt.Errorf("%w: this worker is leaving", model.ErrLost)

// Drain lets the sessions end: nobody else may begin one, and who has one is told with the
// next answer, to let another worker take over. When ctx ends those that are left are cut
// off; it returns how many they were.
func (w *Worker) Drain(ctx context.Context) (cut int) {
	w.mu.Lock()
	w.leaving = true
	w.mu.Unlock()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		w.mu.Lock()
		n := len(w.open)
		if ctx.Err() != nil {
			for s := range w.open {
				s.stream.Reset()
			}
		}
		w.mu.Unlock()
		if n == 0 || ctx.Err() != nil {
			return n
		}
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

// isLeaving reports whether Drain was called.
func (w *Worker) isLeaving() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leaving
}

// standsIn reports whether there is another worker to go to.
func (d *Device) standsIn() bool {
	d.more()
	for i, p := range d.Peers {
		if i != d.at && d.losses[p] < mostLosses {
			return true
		}
	}
	return false
}

// more takes up workers that have come since.
func (d *Device) more() {
	if d.More == nil {
		return
	}
	for _, p := range d.More() {
		if !slices.Contains(d.Peers, p) {
			d.Peers = append(d.Peers, p)
		}
	}
}

// left ends the line to a worker that is leaving, without its fault.
func (l *line) left() error {
	l.broken = fmt.Errorf("%w: peer %s is leaving", model.ErrLost, short(l.peer))
	l.stream.Close()
	return l.broken
}
