package gpu

import (
	"fmt"
	"time"

	"eclat/gpu/vk"
)

// Bandwidth measures how fast a device copies its own memory: bytes read plus
// bytes written a second. It is the yardstick of every kernel that is bound by
// memory.
func Bandwidth(info vk.Info) (float64, error) {
	d, err := vk.Open(info, vk.Options{})
	if err != nil {
		return 0, fmt.Errorf("gpu: %w", err)
	}
	defer d.Close()
	return bandwidth(d)
}

func bandwidth(d *vk.Device) (float64, error) {
	// Beyond any cache, but small where the memory is the processor's.
	size := int64(256 << 20)
	if t := d.Info().Type; t == vk.Software || t == vk.Integrated {
		size = 64 << 20
	}
	a, err := d.NewBuffer("bandwidth source", size, vk.OnDevice)
	if err != nil {
		return 0, fmt.Errorf("gpu: %w", err)
	}
	defer a.Close()
	b, err := d.NewBuffer("bandwidth target", size, vk.OnDevice)
	if err != nil {
		return 0, fmt.Errorf("gpu: %w", err)
	}
	defer b.Close()
	const copies = 4
	r, err := d.NewRecorder()
	if err != nil {
		return 0, fmt.Errorf("gpu: %w", err)
	}
	r.Fill(a, 0, size, 0) // memory that was never written may not be there yet
	for range copies {
		r.Barrier()
		r.Copy(a, 0, b, 0, size)
	}
	c, err := r.End()
	if err != nil {
		return 0, fmt.Errorf("gpu: %w", err)
	}
	defer c.Close()
	best := 0.0
	for range 3 {
		begin := time.Now()
		if err := d.Submit(c); err != nil {
			return 0, fmt.Errorf("gpu: %w", err)
		}
		// The fill counts as half a copy: it only writes.
		best = max(best, (copies*2+1)*float64(size)/time.Since(begin).Seconds())
	}
	return best, nil
}
