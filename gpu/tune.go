package gpu

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/shaders"
)

// tuning says whether Compile measures the shapes of kernels on the plan's own
// weights and keeps the fastest.
type tuning uint8

const (
	tuneAuto   tuning = iota // on every device but software ones, whose shapes are known
	tuneAlways               //
	tuneNever                //
)

func (b *Backend) tunes() bool {
	return b.opt.tune == tuneAlways || b.opt.tune == tuneAuto && b.info.Type != vk.Software
}

// tune measures what has not been measured for the plan's shapes, in memory that it
// frees again. Afterwards the plan may be lowered to other dispatches than before.
func (p *program) tune() error {
	defer unwind(&p.close)
	if err := p.lower(); err != nil {
		return err
	}
	l := p.lowering()
	p.Spare(l)
	if err := p.allocate(); err != nil {
		return err
	}
	k, before := p.b.kernels, p.b.kernels.Choices()
	w := p.inputs.Words()
	w[0], w[1] = uint32(p.opt.Tokens), uint32(p.opt.Want)
	if err := k.Tune(l, p.time); err != nil {
		return named(err)
	}
	if c := k.Choices(); !maps.Equal(c, before) {
		p.b.saveChoices(c)
	}
	return nil
}

// time runs dispatches for all tokens of the plan, one after the other, and returns
// the shortest time of a few. What they write is overwritten by the next run.
func (p *program) time(ds []lower.Dispatch) (best time.Duration, err error) {
	var close []func()
	defer unwind(&close)
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
		if err := p.b.run(c, "tuning"); err != nil {
			return 0, err
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
// driver, these shaders and these lists of shapes.
func (b *Backend) choicesPath() string {
	h := sha256.New()
	h.Write(b.info.UUID[:])
	h.Write(b.info.DriverUUID[:])
	fmt.Fprint(h, b.info.Name, b.info.Driver, b.info.DriverVersion, lower.Signature())
	if m, err := shaders.ReadManifest(); err == nil {
		json.NewEncoder(h).Encode(m.Binaries)
	}
	return filepath.Join(b.opt.CacheDir, "kernels-"+hex.EncodeToString(h.Sum(nil)[:8])+".json")
}

// mostChoices bounds a file of choices, in bytes.
const mostChoices = 1 << 20

// loadChoices takes over what was measured before; a file that is not one of
// choices is left aside and written anew.
func (b *Backend) loadChoices() {
	if b.opt.CacheDir == "" || !b.tunes() {
		return
	}
	var c lower.Choices
	if data, err := vk.ReadCache(b.choicesPath(), mostChoices); err == nil && json.Unmarshal(data, &c) == nil {
		b.kernels.SetChoices(c)
	}
}

// saveChoices keeps what was measured. A failure costs only time at the next start.
func (b *Backend) saveChoices(c lower.Choices) {
	if b.opt.CacheDir == "" {
		return
	}
	if data, err := json.MarshalIndent(c, "", "\t"); err == nil {
		vk.WriteCache(b.choicesPath(), data)
	}
}
