package gpu

import "eclat/gpu/vk"

// access is a dispatch's use of a range of a buffer.
type access struct {
	buf   *vk.Buffer
	off   int64
	end   int64
	write bool
	group int // Lower call
}

// hazards says where barriers are needed: it knows what has been read and written
// since the last one. Reads only have no order, so weights and inputs, which no
// dispatch writes, need not be told to it.
type hazards struct{ since []access }

// needs reports whether a must wait for one of the accesses since the last
// barrier: read after write, write after read, write after write. beside lets two
// dispatches of one group write the same range.
func (h *hazards) needs(a access, beside bool) bool {
	for i := range h.since {
		s := &h.since[i]
		if s.buf != a.buf || a.off >= s.end || s.off >= a.end || !a.write && !s.write {
			continue
		}
		if beside && a.write && s.write && a.group == s.group {
			continue
		}
		return true
	}
	return false
}

// barrier reports whether a dispatch with these accesses needs a barrier before
// it, and takes note of them.
func (h *hazards) barrier(as []access, beside bool) bool {
	wait := false
	for _, a := range as {
		if h.needs(a, beside) {
			wait = true
			break
		}
	}
	if wait {
		h.since = h.since[:0]
	}
	h.since = append(h.since, as...)
	return wait
}
