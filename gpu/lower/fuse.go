package lower

import (
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
)

// A matmul and the steps around it are lowered together, for two reasons. Steps
// that do not wait for each other come before those that do, so that one barrier
// serves all: q, k and v are three short matmuls side by side. And steps that only
// pass a matmul's or a RoPE's result on become part of its dispatch:
//
//	MatMul, Add             a bias or a residual          the matmul adds it
//	MatMul, MatMul, SwiGLU  gate and up of one type       one matvec of both
//	RoPE, Store             a key, no integers            written to the cache at once
//
// A tensor that another step reads as well, or that a trace keeps, stays.

// together is a run of steps that is lowered as one, from a MatMul on.
type together struct {
	l     *Lowering
	at    int              // first step
	n     int              // steps
	made  map[model.ID]int // by which of the steps a tensor is written, from 0
	level []int            // of each step: one more than the steps it waits for
	into  []int            // the step that each is fused into; itself for none
}

// gather finds the steps to lower with the MatMul at step at.
func gather(l *Lowering, at int) *together {
	t := &together{l: l, at: at, made: map[model.ID]int{}}
	for more := true; more && at+t.n < len(l.Plan.Steps); {
		s := &l.Plan.Steps[at+t.n]
		switch s.Op {
		case model.MatMul, model.MatMulHeads, model.MatMulExperts, model.RoPE, model.Store:
		case model.Add:
			if l.Plan.Tensors[s.Src[1]].Kind == model.Weight {
				break
			}
			if !t.makes(s.Src[0]) && !t.makes(s.Src[1]) {
				return t
			}
			more = false
		case model.SwiGLU:
			if !t.makes(s.Src[0]) || !t.makes(s.Src[1]) {
				return t
			}
			more = false
		default:
			return t
		}
		t.add(s)
	}
	return t
}

func (t *together) makes(id model.ID) bool { _, ok := t.made[id]; return ok }

func (t *together) add(s *model.Step) {
	level := 0
	for _, id := range s.Src {
		if i, ok := t.made[id]; ok {
			level = max(level, t.level[i]+1)
		}
	}
	t.made[s.Dst] = t.n
	t.level = append(t.level, level)
	t.into = append(t.into, t.n)
	t.n++
}

func (t *together) step(i int) *model.Step { return &t.l.Plan.Steps[t.at+i] }

// op is what makes a tensor, NumOps where none of the steps does.
func (t *together) op(id model.ID) model.Op {
	if i, ok := t.made[id]; ok {
		return t.step(i).Op
	}
	return model.NumOps
}

// only returns which of the steps, of kind op, writes id for one reader alone and
// is not fused with anything yet.
func (t *together) only(id model.ID, op model.Op) (int, bool) {
	i, ok := t.made[id]
	if !ok || t.l.Used[id] != 1 || t.step(i).Op != op {
		return 0, false
	}
	for j, into := range t.into {
		if into == i && j != i {
			return 0, false
		}
	}
	return i, t.into[i] == i
}

// fuse decides which steps become part of which. Its lowering needs no more than
// to look at into.
func (t *together) fuse(k *Kernels) {
	for i := range t.n {
		s := t.step(i)
		switch s.Op {
		case model.Store:
			if r, ok := t.only(s.Src[0], model.RoPE); ok && t.step(r).Arg[0]%2 == 0 && !k.off["rope_store"] && !model.InBlocks(t.l.Plan.Tensors[s.Dst].Type) {
				t.into[i] = r
			}
		case model.Add:
			for _, id := range s.Src { // what is added must be there before: not made here
				other := s.Src[0] + s.Src[1] - id
				m, ok := t.only(id, model.MatMul)
				if ok && !t.makes(other) && (t.l.Plan.Tensors[other].Kind != model.Weight || t.l.Weight(other).Type == quant.F32) {
					t.into[i] = m
					break
				}
			}
		case model.SwiGLU:
			op := t.op(s.Src[0])
			g, ok1 := t.only(s.Src[0], op)
			u, ok2 := t.only(s.Src[1], op)
			if ok1 && ok2 && isProduct(t.step(g)) && g != u && t.pair(k, g, u) {
				t.into[g], t.into[u] = i, i // the two matmuls run as the SwiGLU
			}
		}
	}
}

// pair reports whether one matvec can compute both matmuls.
func (t *together) pair(k *Kernels, g, u int) bool {
	a, b := t.step(g), t.step(u)
	wa, wb := t.l.Weight(a.Src[0]), t.l.Weight(b.Src[0])
	if a.Op == model.MatMulHeads || a.Src[1] != b.Src[1] || a.Op == model.MatMulExperts && (a.Src[2] != b.Src[2] || a.Arg != b.Arg || len(a.Src)+len(b.Src) > 6) || wa.Type != wb.Type || wa.Rows != wb.Rows || len(wa.Parts) != len(wb.Parts) {
		return false
	}
	for i := range wa.Parts {
		if wa.Parts[i].First != wb.Parts[i].First || wa.Parts[i].Rows != wb.Parts[i].Rows {
			return false
		}
	}
	s, err := k.shapeOf(t.l, a)
	return err == nil && !s.Tiled() && s.Rows%2 == 0
}

// writes returns the tensor that a step writes with all that is fused with it.
func (t *together) writes(i int) model.ID {
	if into := t.into[i]; into != i {
		return t.step(into).Dst
	}
	for j, into := range t.into {
		if into == i && j != i {
			return t.step(j).Dst
		}
	}
	return t.step(i).Dst
}

// lowerTogether lowers the MatMul at step at with the steps after it.
func (k *Kernels) lowerTogether(l *Lowering, at int) (ds []Dispatch, steps int, err error) {
	t := gather(l, at)
	t.fuse(k)
	rounds, tiles := map[rows]Bind{}, map[tiling]Bind{}
	for level, left := 0, t.n; left > 0; level++ {
		for i := range t.n {
			if t.level[i] == level && isProduct(t.step(i)) {
				w := newLowered(k, l, t.at+i)
				w.at, w.tiles = rounds, tiles
				if err := t.round(w); err != nil {
					return nil, 0, err
				}
				if err := w.tile(); err != nil {
					return nil, 0, err
				}
				ds = append(ds, w.ds...)
			}
		}
		for i := range t.n {
			if t.level[i] != level {
				continue
			}
			left--
			if t.into[i] != i {
				continue
			}
			w := newLowered(k, l, t.at+i)
			w.at, w.tiles = rounds, tiles
			for j, into := range t.into {
				if into == i && j != i {
					w.fused = append(w.fused, t.step(j))
				}
			}
			if err := w.lower(); err != nil {
				return nil, 0, err
			}
			ds = append(ds, w.ds...)
		}
	}
	return ds, t.n, nil
}

// round has the rows that enter a step's product rounded, once for all of the steps: in
// place where nobody else reads them or in another form, else to scratch memory.
func (t *together) round(w *lowered) error {
	x := w.rowsOf(w.s)
	if _, ok := w.at[x]; ok {
		return nil
	}
	if made, _ := w.k.rounds(t.l, x.x); made {
		w.at[x] = read(x.x)
		return nil
	}
	floats := 0 // products that take the rows as these
	for i := range t.n {
		if s := t.step(i); isProduct(s) && !x.packed && w.rowsOf(s) == x {
			floats++
		}
	}
	to := read(x.x)
	if t.l.Used[x.x] != floats || x.x == t.l.Plan.Hidden {
		to = w.scratch((t.l.Bytes(x.x) + 255) &^ 255)
	}
	w.at[x] = to
	return w.round(x, to)
}

// rowsOf is what a product takes.
func (w *lowered) rowsOf(s *model.Step) rows {
	return rows{s.Src[1], w.k.packs(w.l, s), w.l.Weight(s.Src[0]).Cols}
}

// scratch is a place behind all others that dispatches lowered together have.
func (w *lowered) scratch(size int64) Bind {
	to := Bind{Mem: Scratch, Offset: w.l.vectors, Size: size}
	for _, b := range w.at {
		to.Offset = max(to.Offset, b.Offset+b.Size)
	}
	for _, b := range w.tiles {
		to.Offset = max(to.Offset, b.Offset+b.Size)
	}
	return to
}

// isProduct reports whether a step multiplies rows by a weight.
func isProduct(s *model.Step) bool {
	return s.Op == model.MatMul || s.Op == model.MatMulHeads || s.Op == model.MatMulExperts
}

// packs reports whether a step is a product that takes packed rows.
func (k *Kernels) packs(l *Lowering, s *model.Step) bool {
	shape, err := k.shapeOf(l, s)
	return err == nil && shape.packed()
}

// rounds reports whether the norm or the attention that makes x rounds its rows at once,
// and whether it packs them: where products alone read them, in one form.
func (k *Kernels) rounds(l *Lowering, x model.ID) (made, packed bool) {
	products, packing := 0, 0
	for i := range l.Plan.Steps {
		switch s := &l.Plan.Steps[i]; {
		case s.Op == model.RMSNorm && s.Dst == x:
			made = s.Arg[1]%32 == 0 && !k.off["rmsnorm_round"]
		case s.Op == model.Attention && s.Dst == x:
			made = s.Arg[3]%32 == 0 && s.Arg[3] <= numerics.Span
		case isProduct(s) && s.Src[1] == x:
			if cols := l.Weight(s.Src[0]).Cols; cols != l.Plan.Tensors[x].Cols && cols%32 != 0 {
				continue // blocks begin elsewhere in each part of a row
			}
			products++
			if k.packs(l, s) {
				packing++
			}
		}
	}
	made = made && products == l.Used[x] && (packing == 0 || packing == products)
	return made, made && packing > 0
}
