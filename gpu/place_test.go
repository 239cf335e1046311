package gpu

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"eclat/gpu/vk"
	"eclat/model"
)

// TestArena: no two activations that are alive at once overlap, whatever the groups.
func TestArena(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		p := &model.Plan{Hidden: model.None}
		n := 2 + rnd.IntN(30)
		for range n {
			p.Tensors = append(p.Tensors, model.Tensor{Kind: model.TokenRows, Rows: 1 + rnd.IntN(5), Cols: 1 + rnd.IntN(300)})
		}
		p.Result = model.ID(n - 1)
		var groups []group
		for made := 1; made < n; { // each group writes one or two tensors and reads older ones
			var d Dispatch
			for range 1 + rnd.IntN(2) {
				if made < n {
					d.Bind = append(d.Bind, Bind{Mem: Act, Tensor: model.ID(made), Write: true})
					made++
				}
			}
			for range 1 + rnd.IntN(3) {
				d.Bind = append(d.Bind, Bind{Mem: Act, Tensor: model.ID(rnd.IntN(made))})
			}
			groups = append(groups, group{ds: []Dispatch{d}})
		}
		place, size := arena(p, groups)
		first, last := make([]int, n), make([]int, n)
		for i := range first {
			first[i] = -1
		}
		for g := range groups {
			eachActivation(&groups[g], func(id model.ID) {
				if first[id] < 0 {
					first[id] = g
				}
				last[id] = g
			})
		}
		last[n-1] = len(groups)
		for a := range n {
			if place[a].at+place[a].n > size || first[a] >= 0 && place[a].n < int64(p.Tensors[a].Rows*p.Tensors[a].Cols*4) {
				t.Fatalf("tensor %d at %+v of %d", a, place[a], size)
			}
			for b := range a {
				together := first[a] >= 0 && first[b] >= 0 && first[a] <= last[b] && first[b] <= last[a]
				if together && place[a].at < place[b].at+place[b].n && place[b].at < place[a].at+place[a].n {
					t.Fatalf("tensors %d %+v and %d %+v overlap", a, place[a], b, place[b])
				}
			}
		}
	}
}

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

func TestChoose(t *testing.T) {
	dev := func(i int, name string, ty vk.Type, gib int64) vk.Info {
		return vk.Info{Index: i, Name: name, Type: ty, Heaps: []vk.Heap{{Size: gib << 30, Device: true}}}
	}
	infos := []vk.Info{
		dev(0, "Intel UHD", vk.Integrated, 32), dev(1, "llvmpipe", vk.Software, 64), dev(2, "Radeon small", vk.Discrete, 8),
		dev(3, "Radeon large", vk.Discrete, 24), dev(4, "Virtio", vk.Virtual, 48),
	}
	for _, c := range []struct {
		infos    []vk.Info
		spec     string
		software bool
		want     int // −1: ErrNoDevice
		why      string
	}{
		{infos, "auto", false, 3, "MiB of memory"},
		{infos, "", true, 3, ""},
		{infos[:2], "gpu", true, 0, "integrated is preferred to cpu"},
		{infos[1:2], "auto", false, -1, "ECLAT_ALLOW_SOFTWARE"},
		{infos[1:2], "auto", true, 1, "only device"},
		{infos, "vulkan:1", false, 1, "number"},
		{infos, "vulkan:9", false, -1, "vulkan:9"},
		{infos, "vulkan:x", false, -1, ""},
		{infos, "LLVM", false, 1, "name"},
		{infos, "radeon", false, 3, ""},
		{infos, "geforce", false, -1, "Radeon small"},
		{nil, "auto", true, -1, "none"},
		{[]vk.Info{infos[4], infos[0]}, "auto", false, 0, ""},
	} {
		got, why, err := choose(c.infos, c.spec, c.software)
		if c.want < 0 {
			if !errors.Is(err, ErrNoDevice) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%q: %v", c.spec, err)
			}
		} else if err != nil || got.Index != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%q: device %d because %q, %v", c.spec, got.Index, why, err)
		}
	}
}
