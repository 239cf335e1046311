package lower

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/numerics"
	"eclat/shaders"
)

// The steps that work row by row: embed, norms, rope, store, act, swiglu, add, mul, slice, gather.

func (w *lowered) embed() error {
	id := w.s.Src[0]
	info := w.l.Weight(id)
	for i, part := range info.Parts {
		if err := w.decode(id, info, part, i, false, write(w.s.Dst)); err != nil {
			return err
		}
		w.ds[len(w.ds)-1].Beside = i > 0 // every token's row is in one part
	}
	return nil
}

// decode dispatches embed: rows of the tokens from one part of a weight, or row 0.
func (w *lowered) decode(id model.ID, info *WeightInfo, part Part, no int, vector bool, to Bind) error {
	kernel := "embed_" + shaders.TypeName(info.Type)
	if !shaders.Has(kernel) {
		return fmt.Errorf("gpu: no kernel reads weights of type %s", info.Type)
	}
	if err := w.k.works(kernel); err != nil {
		return err
	}
	piece := pieceOf(info.Type)
	local := w.k.local()
	groups := ceilDiv(ceilDiv(uint32(info.Cols), piece), local)
	g := func(Run) [3]uint32 { return [3]uint32{groups, 1, 1} }
	if !vector {
		g = perRow(w.dst, groups)
	}
	w.launch(kernel,
		[]uint32{local, boolWord(vector), boolWord(uint32(info.Cols)%piece != 0), boolWord(w.l.CompileOptions.Rows && !vector)},
		[]uint32{uint32(info.Cols), uint32(part.First), uint32(part.Rows), uint32(info.RowBytes / 16), w.l.In.Tokens, w.l.In.Rows},
		g, to, Bind{Mem: WeightOf, Tensor: id, Part: no})
	return nil
}

func (w *lowered) rmsnorm() error {
	kernel := "rmsnorm"
	round, pack := w.k.rounds(w.l, w.s.Dst)
	if round {
		kernel = "rmsnorm_round"
	}
	if err := w.k.works(kernel); err != nil {
		return err
	}
	bare := len(w.s.Src) == 1
	weight, err := read(w.s.Src[0]), error(nil) // none: anything
	if !bare {
		weight, err = w.vector(w.s.Src[1])
	}
	if err != nil {
		return err
	}
	cols, group := uint32(w.dst.Cols), w.s.Arg[1]
	kind := uint32(NormShared)
	switch {
	case bare:
		kind = NormBare
	case w.src(1).Cols > int(group):
		kind = NormOwn
	}
	var more []uint32
	if round {
		more = append(more, boolWord(pack))
	}
	w.norm(kernel, group, cols/group, float32(1/float64(group)), kind, more, weight)
	return nil
}

// What weights groups of elements that are normed have.
const (
	NormShared = iota // the same
	NormOwn           // a part of a row's each
	NormUnit          // none, of L2Norm; what lies beyond the groups is copied
	NormBare          // none
)

// norm dispatches a norm of groups of elements of source 0; more are constants of the
// kernel beyond its own. inv is 1/group, or 1 for the sum of squares itself.
func (w *lowered) norm(kernel string, group, groups uint32, inv float32, kind uint32, more []uint32, weight Bind) {
	local := uint32(8) // barriers cost more than invocations bring
	for !w.k.dev.Software && local < min(256, group/4, uint32(w.k.dev.MaxGroupInvocations)) {
		local *= 2 // four elements an invocation
	}
	word, rows := count(w.dst)
	cols := uint32(w.dst.Cols)
	y := groups // workgroups a row
	if kind == NormUnit {
		y = ceilDiv(cols, group)
	}
	tail := group%4 != 0 || kind == NormUnit && cols%4 != 0
	w.launch(kernel, append([]uint32{local, boolWord(tail), kind}, more...),
		[]uint32{cols, w.s.Arg[0], word, group, FloatWord(inv), groups},
		func(r Run) [3]uint32 { return [3]uint32{rows(r), y, 1} },
		write(w.s.Dst), read(w.s.Src[0]), weight)
}

func (w *lowered) layernorm() error {
	if err := w.k.works("layernorm"); err != nil {
		return err
	}
	weight, err := w.vector(w.s.Src[1])
	if err != nil {
		return err
	}
	cols := uint32(w.dst.Cols)
	local := uint32(8) // barriers cost more than invocations bring
	if !w.k.dev.Software {
		local = min(128, uint32(w.k.dev.MaxGroupInvocations))
	}
	word, _ := count(w.dst)
	group, own := w.s.Arg[1], uint32(0)
	if w.src(1).Cols > int(group) {
		own = group
	}
	w.launch("layernorm", []uint32{local}, []uint32{cols, w.s.Arg[0], word, FloatWord(float32(1 / float64(group))), group, own},
		perRow(w.dst, cols/group), write(w.s.Dst), read(w.s.Src[0]), weight)
	return nil
}

func (w *lowered) swiglu() error {
	if len(w.fused) == 2 {
		return w.glu()
	}
	return w.elementwise(0)
}

func (w *lowered) add() error {
	if w.src(1).Kind == model.Weight {
		return w.bias()
	}
	return w.elementwise(1)
}

func (w *lowered) mul() error {
	if w.src(1).Kind == model.Weight {
		return w.bias()
	}
	return w.elementwise(2)
}

// OpAct is elementwise's op of the first activation; the others follow.
const OpAct = 3

func (w *lowered) act() error { return w.elementwise(OpAct + w.s.Arg[0]) }

// elementwise is SwiGLU (op 0), Add (op 1), Mul (op 2) or an activation, over all rows
// as one array.
func (w *lowered) elementwise(op uint32) error {
	if err := w.k.works("elementwise"); err != nil {
		return err
	}
	local, cols := w.k.local(), uint32(w.dst.Cols)
	word, rows := count(w.dst)
	var c, by uint32 // of an activation
	if op >= OpAct {
		c, by = w.s.Arg[1], FloatWord(numerics.Inverse(w.s.ArgFloat(1)))
	}
	w.launch("elementwise", []uint32{local, op}, []uint32{cols, word, c, by},
		func(r Run) [3]uint32 { return [3]uint32{min(ceilDiv(rows(r)*cols, 4*local), 65535), 1, 1} },
		write(w.s.Dst), read(w.s.Src[0]), read(w.s.Src[len(w.s.Src)-1]))
	return nil
}

// bias adds a weight to every row, or multiplies by it, or by the factors of its experts.
func (w *lowered) bias() error {
	if err := w.k.works("bias"); err != nil {
		return err
	}
	y, err := w.vector(w.s.Src[1])
	if err != nil {
		return err
	}
	local, cols := w.k.local(), uint32(w.dst.Cols)
	word, _ := count(w.dst)
	routes, used := read(w.s.Src[0]), uint32(1) // what is not read is bound to something
	routed := len(w.s.Src) > 2
	if routed {
		routes, used = read(w.s.Src[2]), uint32(w.src(2).Cols/2)
	}
	w.launch("bias", []uint32{local, boolWord(w.s.Op == model.Mul), boolWord(!routed && w.src(1).Cols == 1 && cols > 1), boolWord(routed)},
		[]uint32{cols, word, used}, perRow(w.dst, ceilDiv(cols, local)),
		write(w.s.Dst), read(w.s.Src[0]), y, routes)
	return nil
}

func (w *lowered) gather() error {
	if err := w.k.works("gather"); err != nil {
		return err
	}
	local, cols := w.k.local(), uint32(w.dst.Cols)
	w.launch("gather", []uint32{local}, []uint32{cols, w.l.In.Want}, perRow(w.dst, ceilDiv(cols, local)),
		write(w.s.Dst), read(w.s.Src[0]))
	return nil
}

// table is the word of the inputs with the block tables, or slots, of a memory's pool.
func (w *lowered) table(kept model.ID) uint32 {
	return w.l.In.Table[w.l.Plan.Tensors[kept].Pool]
}

func (w *lowered) rope() error {
	kernel, to, in, table := "rope", write(w.s.Dst), w.l.In, uint32(0)
	r := &w.l.Plan.Ropes[w.s.Arg[1]]
	spec := []uint32{w.k.local(), 0, boolWord(r.Halves)}
	if len(w.fused) > 0 { // a Store
		kept := w.fused[0].Dst
		kernel, to, table = "rope_store", Bind{Mem: KeptIn, Tensor: kept, Write: true}, w.table(kept)
		spec[1] = boolWord(w.wide(kept))
	}
	if err := w.k.works(kernel); err != nil {
		return err
	}
	cols, head := uint32(w.dst.Cols), w.s.Arg[0]
	w.launch(kernel, spec, []uint32{cols, head, uint32(len(r.Freq)), in.Turns[w.s.Arg[1]], in.Pos, table},
		perRow(w.dst, ceilDiv(cols/head*((head+1)/2), spec[0])),
		to, read(w.s.Src[0]))
	return nil
}

func (w *lowered) store() error {
	if model.InBlocks(w.dst.Type) {
		return w.storeBlocks()
	}
	if err := w.k.works("store"); err != nil {
		return err
	}
	if w.dst.Cols%2 != 0 && !w.wide(w.s.Dst) {
		return model.Unsupported(fmt.Errorf("gpu: a row of %d halves in memory is not whole words", w.dst.Cols))
	}
	local, cols := w.k.local(), uint32(w.dst.Cols)
	w.launch("store", []uint32{local, boolWord(w.wide(w.s.Dst))}, []uint32{cols, w.l.In.Pos, w.table(w.s.Dst)},
		perRow(w.src(0), ceilDiv((cols+1)/2, local)),
		Bind{Mem: KeptIn, Tensor: w.s.Dst, Write: true}, read(w.s.Src[0]))
	return nil
}

// storeBlocks is store to memory of integers, a block of 32 an invocation.
func (w *lowered) storeBlocks() error {
	if err := w.k.works("store_blocks"); err != nil {
		return err
	}
	local, cols := w.k.local(), uint32(w.dst.Cols)
	w.launch("store_blocks", []uint32{local, boolWord(w.dst.Type == quant.Q4_0)}, []uint32{cols, w.l.In.Pos, w.table(w.s.Dst)},
		perRow(w.src(0), ceilDiv(cols/numerics.BlockLen, local)),
		Bind{Mem: KeptIn, Tensor: w.s.Dst, Write: true}, read(w.s.Src[0]))
	return nil
}

// wide reports whether a memory is float32, not float16.
func (w *lowered) wide(kept model.ID) bool { return w.l.Plan.Tensors[kept].Type == quant.F32 }
