package gpu

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"eclat/gpu/vk"
	"eclat/shaders"
)

// Tuning says whether Compile measures the shapes of kernels on the plan's own
// weights and keeps the fastest.
type Tuning uint8

const (
	TuneAuto   Tuning = iota // on every device but software ones, whose shapes are known
	TuneAlways               //
	TuneNever                //
)

func (b *Backend) tunes() bool {
	return b.opt.Tune == TuneAlways || b.opt.Tune == TuneAuto && b.info.Type != vk.Software
}

// tune measures what has not been measured for the plan's shapes, in memory that it
// frees again. Afterwards the plan may be lowered to other dispatches than before.
func (p *program) tune() error {
	defer p.free(0)
	if err := p.lower(); err != nil {
		return err
	}
	if err := p.allocate(true); err != nil {
		return err
	}
	k, before := p.b.kernels, len(p.b.kernels.Choices())
	w := p.inputs.Words()
	w[0], w[1] = uint32(p.plan.Tokens), uint32(p.plan.Logits)
	if err := k.Tune(k.lowering(p.plan, p.b.weightInfo, p.pages), p.time); err != nil {
		return err
	}
	if c := k.Choices(); len(c) > before {
		p.b.saveChoices(c)
	}
	return nil
}

// time runs dispatches for all tokens of the plan, one after the other, and returns
// the shortest time of a few. What they write is overwritten by the next run.
func (p *program) time(ds []Dispatch) (best time.Duration, err error) {
	var close []func()
	defer func() {
		for _, f := range slices.Backward(close) {
			f()
		}
	}()
	r, err := p.b.dev.NewRecorder()
	if err != nil {
		return 0, err
	}
	stamps := p.b.info.Limits.TimestampBits > 0
	record := func() error {
		r.Barrier()
		if stamps {
			r.Timestamp(0)
		}
		for i := range ds {
			d := &ds[i]
			pipe, err := p.b.pipeline(d)
			if err != nil {
				return err
			}
			for _, b := range d.Bind {
				if b.Mem == Scratch && (p.scratch == nil || b.Offset+b.Size > p.scratch.Size()) {
					return fmt.Errorf("gpu: kernel %s: %d bytes of scratch memory are not there to tune with", d.Kernel, b.Size)
				}
			}
			if i > 0 {
				r.Barrier()
			}
			full := *d
			full.Indirect = nil
			if err := p.dispatch(r, &full, pipe, nil, &close); err != nil {
				return err
			}
		}
		if stamps {
			r.Timestamp(1)
		}
		return nil
	}
	fault := record()
	c, err := r.End()
	if err != nil {
		return 0, err
	}
	close = append(close, c.Close)
	if fault != nil {
		return 0, fault
	}
	const runs, long = 4, 50 * time.Millisecond
	var times []time.Duration
	for i := range runs {
		begin := time.Now()
		if err := p.b.start(c, "tuning"); err != nil {
			return 0, p.b.failed(err, "tuning", ds[0].Kernel)
		}
		if err := p.b.dev.Wait(c); err != nil {
			return 0, p.b.failed(err, "tuning", ds[0].Kernel)
		}
		t := time.Since(begin)
		if stamps {
			if times, err = c.Timestamps(times[:0]); err != nil {
				return 0, err
			}
			t = times[1]
		}
		if i == 1 || i > 1 && t < best { // the first run warms up
			best = t
		}
		if i >= 1 && t > long {
			break
		}
	}
	return best, nil
}

// choicesPath names the file that keeps what was measured on this device, with this
// driver and these shaders.
func (b *Backend) choicesPath() string {
	h := sha256.New()
	h.Write(b.info.UUID[:])
	h.Write(b.info.DriverUUID[:])
	fmt.Fprint(h, b.info.Name, b.info.Driver, b.info.DriverVersion)
	if m, err := shaders.ReadManifest(); err == nil {
		json.NewEncoder(h).Encode(m.Binaries)
	}
	return filepath.Join(b.opt.CacheDir, "kernels-"+hex.EncodeToString(h.Sum(nil)[:8])+".json")
}

func (b *Backend) loadChoices() {
	if b.opt.CacheDir == "" || !b.tunes() {
		return
	}
	var c Choices
	if data, err := os.ReadFile(b.choicesPath()); err == nil && json.Unmarshal(data, &c) == nil {
		b.kernels.SetChoices(c)
	}
}

// saveChoices writes through a temporary file. A failure costs only time at the
// next start.
func (b *Backend) saveChoices(c Choices) {
	if b.opt.CacheDir == "" {
		return
	}
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil || os.MkdirAll(b.opt.CacheDir, 0o755) != nil {
		return
	}
	tmp, err := os.CreateTemp(b.opt.CacheDir, "kernels-*.tmp")
	if err != nil {
		return
	}
	_, err = tmp.Write(data)
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), b.choicesPath())
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
}
