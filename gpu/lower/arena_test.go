package lower

import (
	"math/rand/v2"
	"testing"

	"eclat/model"
)

// TestArena: no two activations that are alive at once overlap, whatever the groups.
func TestArena(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		p := &model.Plan{Hidden: model.None, Axes: 1}
		n := 2 + rnd.IntN(30)
		for range n {
			p.Tensors = append(p.Tensors, model.Tensor{Kind: model.Kind(int(model.TokenRows) + rnd.IntN(2)), Cols: 1 + rnd.IntN(300)})
		}
		p.Result = model.ID(n - 1)
		var groups []Group
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
			groups = append(groups, Group{Dispatches: []Dispatch{d}})
		}
		l := &Lowering{Plan: p, CompileOptions: model.CompileOptions{Size: model.Size{Tokens: 1 + rnd.IntN(5), Want: 1}}}
		place, size := arena(l, groups)
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
			if place[a].At+place[a].Len > size || first[a] >= 0 && place[a].Len < l.Bytes(model.ID(a)) {
				t.Fatalf("tensor %d at %+v of %d", a, place[a], size)
			}
			for b := range a {
				together := first[a] >= 0 && first[b] >= 0 && first[a] <= last[b] && first[b] <= last[a]
				if together && place[a].At < place[b].At+place[b].Len && place[b].At < place[a].At+place[a].Len {
					t.Fatalf("tensors %d %+v and %d %+v overlap", a, place[a], b, place[b])
				}
			}
		}
	}
}
