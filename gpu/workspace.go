package gpu

import (
	"eclat/gpu/vk"
)

// workspace is the memory that programs take turns in: only one runs at a time, and
// its answer stands until the next run. It is as large as the largest program needs.
// A program with Trace has one of its own.
type workspace struct {
	b    *Backend
	mem  *vk.Buffer // activations from 0, then scratch
	back *vk.Buffer // a copy of the answer for the host; nil where mem can be read
	size int64      // of mem and
	held int64      // of the answer, in bytes
}

// grow makes room for size bytes of activations and scratch and an answer of some
// bytes. Recordings of the programs that used the old memory are dropped; each is
// recorded anew before its next run.
func (w *workspace) grow(size, answer int64) error {
	if w.mem != nil && size <= w.size && answer <= w.held {
		return nil
	}
	for p := range w.b.programs {
		if p.ws == w {
			p.unrecord()
		}
	}
	oldSize, oldAnswer := w.size, w.held
	err := w.make(max(size, oldSize), max(answer, oldAnswer))
	if err != nil && oldSize > 0 { // the programs that there are can go on
		if w.make(oldSize, oldAnswer) != nil {
			w.size, w.held = 0, 0
		}
	}
	return err
}

// make replaces the memory, the old one first, so that there is room for the new.
func (w *workspace) make(size, answer int64) (err error) {
	w.free()
	if w.mem, err = w.b.buffer("activations and scratch", size, vk.OnDevice); err != nil {
		return err
	}
	if !w.b.readable(w.mem) {
		if w.back, err = w.b.buffer("answer", answer, vk.Readback); err != nil {
			w.free()
			return err
		}
	}
	w.size, w.held = size, answer
	return nil
}

func (w *workspace) free() {
	if w.back != nil {
		w.back.Close()
	}
	if w.mem != nil {
		w.mem.Close()
	}
	w.mem, w.back = nil, nil
}
