package gpu

import (
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
)

// rates is what a device is assumed to do at least, to bound submits by time.
type rates struct {
	bytes float64 // a second
	flops float64 // a second
	each  time.Duration
}

// ratesOf are figures that the slowest device of each kind reaches; a faster one
// gets shorter submits than it needs, which costs some microseconds.
func ratesOf(info vk.Info) rates {
	switch info.Type {
	case vk.Discrete:
		return rates{50e9, 500e9, 5 * time.Microsecond}
	case vk.Software:
		return rates{500e6, 3e9, 50 * time.Microsecond}
	}
	return rates{5e9, 50e9, 20 * time.Microsecond}
}

// A submit's time is bounded far below the seconds after which drivers take a device
// for hung, and halved for each time that the device was lost lately.
const (
	defaultSubmitTime = 100 * time.Millisecond
	leastSubmitTime   = 5 * time.Millisecond
)

// submitTime is the limit on one submit's estimated time.
func (b *Backend) submitTime() time.Duration {
	if b.opt.submitTime > 0 {
		return b.opt.submitTime
	}
	return max(leastSubmitTime, defaultSubmitTime>>min(max(0, b.opt.Careful), 30))
}

// judge compares a submit's time with the limit. One that took twice as long, and
// could be cut, makes the next run record anew with what was learnt. A software
// device is never taken for hung, so it is left alone.
func (p *program) judge(s *segment, took time.Duration) {
	if over := float64(took) / float64(p.b.submitTime()); over > 2 && s.dispatches > 1 && p.b.info.Type != vk.Software {
		p.slower = max(p.slower, over)
	}
}

// slowDown has the program recorded anew for a slower device than was assumed.
func (p *program) slowDown() {
	r := &p.b.rates
	r.bytes, r.flops, r.each = r.bytes/p.slower, r.flops/p.slower, time.Duration(float64(r.each)*p.slower)
	p.slower = 0
	p.unrecord()
}

// time estimates a dispatch.
func (r rates) time(d *lower.Dispatch) time.Duration {
	s := max(float64(d.Bytes)/r.bytes, float64(d.Flops)/r.flops)
	return r.each + time.Duration(s*float64(time.Second))
}
