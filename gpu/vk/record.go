//go:build cgo && !novulkan

package vk

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"time"
)

// maxTimestamps is the number of timestamps a command buffer may write.
const maxTimestamps = 4096

// Recorder records a command buffer. The first fault is kept and End returns it.
type Recorder struct {
	d       *Device
	cmd     C.ev_handle
	queries C.ev_object
	stamps  int // one more than the highest timestamp
	err     error
}

// Commands is a recorded command buffer. It can be submitted any number of times,
// each after the one before was waited for.
type Commands struct {
	d       *Device
	cmd     C.ev_handle
	fence   C.ev_object
	queries C.ev_object
	ticks   []C.uint64_t
	end     func()
}

// NewRecorder begins a command buffer.
func (d *Device) NewRecorder() (*Recorder, error) {
	r := &Recorder{d: d}
	if res := C.ev_command(d.c, object(d.commands), &r.cmd); res != 0 {
		return nil, fail("vkAllocateCommandBuffers", d.info.Name, int32(res))
	}
	return r, nil
}

func (r *Recorder) bind(p *Pipeline, s *Set, push []uint32) {
	if len(push) != p.layout.PushWords && r.err == nil {
		r.err = fmt.Errorf("vk: %d push words for %s, which has %d", len(push), p.name, p.layout.PushWords)
		return
	}
	C.ev_bind(r.d.c, r.cmd, p.c.pipeline, p.c.layout, s.set, words(push), C.uint32_t(len(push)))
}

// Dispatch runs x·y·z workgroups of p.
func (r *Recorder) Dispatch(p *Pipeline, s *Set, push []uint32, x, y, z uint32) {
	if g := r.d.info.Limits.MaxGroups; (x > g[0] || y > g[1] || z > g[2]) && r.err == nil {
		r.err = fmt.Errorf("vk: %d×%d×%d workgroups of %s, the device takes %d×%d×%d: %w", x, y, z, p.name, g[0], g[1], g[2], ErrNotSupported)
	}
	if r.err != nil {
		return
	}
	r.bind(p, s, push)
	C.ev_dispatch(r.d.c, r.cmd, C.uint32_t(x), C.uint32_t(y), C.uint32_t(z))
}

// DispatchIndirect runs as many workgroups of p as the three words at offset bytes
// of b say when the device gets there.
func (r *Recorder) DispatchIndirect(p *Pipeline, s *Set, push []uint32, b *Buffer, offset int64) {
	if r.err != nil {
		return
	}
	r.bind(p, s, push)
	C.ev_dispatch_indirect(r.d.c, r.cmd, b.c(), C.uint64_t(offset))
}

// Barrier lets what follows see what dispatches, copies and fills wrote before it,
// and write where they read.
func (r *Recorder) Barrier() { C.ev_barrier(r.d.c, r.cmd) }

// Copy copies n bytes.
func (r *Recorder) Copy(src *Buffer, srcOff int64, dst *Buffer, dstOff, n int64) {
	C.ev_copy(r.d.c, r.cmd, src.c(), C.uint64_t(srcOff), dst.c(), C.uint64_t(dstOff), C.uint64_t(n))
}

// Fill writes word to n bytes; offset and n are multiples of 4.
func (r *Recorder) Fill(b *Buffer, offset, n int64, word uint32) {
	C.ev_fill(r.d.c, r.cmd, b.c(), C.uint64_t(offset), C.uint64_t(n), C.uint32_t(word))
}

// Timestamp writes timestamp i once all before it has finished. It does nothing on
// a device without timestamps.
func (r *Recorder) Timestamp(i int) {
	if r.d.info.Limits.TimestampBits == 0 || r.err != nil {
		return
	}
	if i < 0 || i >= maxTimestamps {
		r.err = fmt.Errorf("vk: timestamp %d of %d", i, maxTimestamps)
		return
	}
	if r.queries == 0 {
		if res := C.ev_queries(r.d.c, r.cmd, maxTimestamps, &r.queries); res != 0 {
			r.err = fail("vkCreateQueryPool", r.d.info.Name, int32(res))
			return
		}
	}
	r.stamps = max(r.stamps, i+1)
	C.ev_timestamp(r.d.c, r.cmd, r.queries, C.uint32_t(i))
}

// End ends the recording. What was written will be seen by the host after Wait.
func (r *Recorder) End() (*Commands, error) {
	d := r.d
	C.ev_host_barrier(d.c, r.cmd)
	c := &Commands{d: d, cmd: r.cmd, queries: r.queries, ticks: make([]C.uint64_t, r.stamps)}
	c.end = d.own(func() {
		C.ev_free_command(d.c, object(d.commands), c.cmd)
		if c.queries != 0 {
			C.ev_destroy_queries(d.c, c.queries)
		}
		if c.fence != 0 {
			C.ev_destroy_fence(d.c, c.fence)
		}
	})
	if res := C.ev_end(d.c, r.cmd); res != 0 && r.err == nil {
		r.err = fail("vkEndCommandBuffer", d.info.Name, int32(res))
	}
	if r.err == nil {
		if res := C.ev_fence(d.c, &c.fence); res != 0 {
			r.err = fail("vkCreateFence", d.info.Name, int32(res))
		}
	}
	if r.err != nil {
		c.Close()
		return nil, r.err
	}
	return c, nil
}

// Close frees the command buffer, which must not be running.
func (c *Commands) Close() { c.end() }

// Submit runs c and waits for it. It allocates nothing.
func (d *Device) Submit(c *Commands) error {
	if err := d.Start(c); err != nil {
		return err
	}
	return d.Wait(c)
}

// Start submits c. Command buffers run in the order they are submitted; a barrier
// covers what was submitted before it too.
func (d *Device) Start(c *Commands) error {
	d.queue.Lock()
	r := C.ev_submit(d.c, c.cmd, c.fence)
	d.queue.Unlock()
	if r != 0 {
		return fail("vkQueueSubmit", d.info.Name, int32(r))
	}
	return nil
}

// Wait waits until c, started before, has finished.
func (d *Device) Wait(c *Commands) error {
	if r := C.ev_wait(d.c, c.fence); r != 0 {
		return fail("vkWaitForFences", d.info.Name, int32(r))
	}
	return nil
}

// Timestamps appends the times of the last run's timestamps, counted from the
// first, to dst. Every one below the highest must have been recorded.
func (c *Commands) Timestamps(dst []time.Duration) ([]time.Duration, error) {
	if len(c.ticks) == 0 {
		return dst, fmt.Errorf("vk: the commands have no timestamps: %w", ErrNotSupported)
	}
	if r := C.ev_timestamps(c.d.c, c.queries, C.uint32_t(len(c.ticks)), &c.ticks[0]); r != 0 {
		return dst, fail("vkGetQueryPoolResults", c.d.info.Name, int32(r))
	}
	l := &c.d.info.Limits
	mask := ^C.uint64_t(0) >> (64 - l.TimestampBits)
	for _, t := range c.ticks {
		dst = append(dst, time.Duration(float64((t-c.ticks[0])&mask)*l.TimestampPeriod))
	}
	return dst, nil
}
