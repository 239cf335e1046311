package gpu

import (
	"testing"

	"eclat/gpu/vk"
)

func TestHazards(t *testing.T) {
	x, y := new(vk.Buffer), new(vk.Buffer)
	read := func(b *vk.Buffer, off, end int64) access { return access{b, off, end, false, 0} }
	write := func(b *vk.Buffer, off, end int64) access { return access{b, off, end, true, 0} }
	for _, c := range []struct {
		name         string
		first, then  access
		beside, want bool
	}{
		{"read after write", write(x, 0, 10), read(x, 5, 6), false, true},
		{"write after read", read(x, 0, 10), write(x, 9, 20), false, true},
		{"write after write", write(x, 0, 10), write(x, 0, 10), false, true},
		{"read after read", read(x, 0, 10), read(x, 0, 10), false, false},
		{"other range", write(x, 0, 10), write(x, 10, 20), false, false},
		{"other buffer", write(x, 0, 10), read(y, 0, 10), false, false},
		{"writes beside", write(x, 0, 10), write(x, 0, 10), true, false},
		{"read beside", write(x, 0, 10), read(x, 0, 10), true, true},
	} {
		var h hazards
		h.barrier([]access{c.first}, false)
		if got := h.barrier([]access{c.then}, c.beside); got != c.want {
			t.Errorf("%s: barrier %v", c.name, got)
		}
		if h.barrier([]access{read(y, 100, 101)}, false) {
			t.Errorf("%s: a barrier for nothing", c.name)
		}
	}
}
