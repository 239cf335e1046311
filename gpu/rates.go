package gpu

import (
	"time"

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

// time estimates a dispatch.
func (r rates) time(d *Dispatch) time.Duration {
	s := max(float64(d.Bytes)/r.bytes, float64(d.Flops)/r.flops)
	return r.each + time.Duration(s*float64(time.Second))
}
