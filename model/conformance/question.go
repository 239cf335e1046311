package conformance

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// Question is a small fixed case whose right answer is known by its hash, so that a
// device can be asked where there is no reference. It looks at what kernels get
// wrong: tails, sums beyond float16, numbers too small for the normal ones, NaN beside
// numbers, rows left over from the run before.
type Question struct {
	Name string // "matmul Q4_K, 3 rows"
	make func() *test
}

// Answer asks a backend and returns the hash of all that it answers.
func (q *Question) Answer(open Opener) (hash string, err error) {
	as, err := q.make().answers(open)
	if err != nil {
		return "", fmt.Errorf("%s: %w", q.Name, err)
	}
	return hashOf(as), nil
}

// Compare asks a backend and the reference, and returns the normalised mean squared
// error of the answers; both are 0 where the bits are the same.
func (q *Question) Compare(openRef, open Opener) (nmse float64, err error) {
	want, err := q.make().answers(openRef)
	if err != nil {
		return 0, refFails(err)
	}
	got, err := q.make().answers(open)
	if err != nil {
		return 0, err
	}
	for i := range want {
		if !slices.Equal(want[i].tokens, got[i].tokens) {
			return math.Inf(1), nil
		}
		e := NMSE(want[i].rows, got[i].rows)
		if e != e {
			e = math.Inf(1)
		}
		nmse = max(nmse, e)
	}
	return nmse, nil
}

// Right is the hash of the right answer.
func (q *Question) Right() string { return answersKnown()[q.Name] }

// hashOf is the start of a SHA-256 of the answers' bits; one NaN is as good as another.
func hashOf(as []answer) string {
	h := sha256.New()
	word := func(w uint32) { h.Write(binary.LittleEndian.AppendUint32(nil, w)) }
	for i := range as {
		word(uint32(len(as[i].rows)))
		for _, x := range as[i].rows {
			b := math.Float32bits(x)
			if x != x {
				b = 0x7fc00000
			}
			word(b)
		}
		for _, id := range as[i].tokens {
			word(uint32(id))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

//go:embed answers.txt
var answersText string

// answersKnown are the hashes by question: answers.txt, which go generate writes.
var answersKnown = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(answersText) {
		if hash, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			m[name] = hash
		}
	}
	return m
})

var questions = sync.OnceValues(func() (list []*Question, byName map[string]*Question) {
	byName = map[string]*Question{}
	add := func(name string, make func() *test) {
		q := &Question{name, make}
		list, byName[name] = append(list, q), q
	}
	for _, ty := range quant.Decodable() {
		for _, given := range []bool{false, true} {
			add(EmbedQuestion(ty, given), func() *test { return embedQuestion(ty, given) })
		}
		add(VectorQuestion(ty), func() *test { return vectorQuestion(ty) })
		block, _ := ty.Block()
		for _, n := range productRows {
			for _, form := range []Form{Plain, Residual, Bias, GLU} {
				for _, tail := range []bool{false, true} {
					if !tail || block == 1 {
						add(ProductQuestion(ty, n, form, tail), func() *test { return productQuestion(ty, n, form, tail) })
					}
				}
			}
		}
	}
	for _, group := range groups {
		for _, tail := range []bool{false, true} {
			add(NormQuestion(group, tail), func() *test { return normQuestion(group, tail) })
		}
		add(BareNormQuestion(group), func() *test { return bareNormQuestion(group) })
		for _, n := range []int{1, 65} {
			add(RoundedQuestion(group, n), func() *test { return roundedQuestion(group, n) })
		}
	}
	for _, op := range []model.Op{model.SwiGLU, model.Add, model.Mul, model.Gather} {
		add(op.String(), func() *test { return elementQuestion(op, 0) })
	}
	for f := range model.NumActivations {
		add(ActQuestion(f), func() *test { return elementQuestion(model.Act, f) })
	}
	add("bias", biasQuestion)
	for _, one := range []bool{false, true} {
		add(FactorQuestion(one), func() *test { return factorQuestion(one) })
	}
	add("layernorm", layerNormQuestion)
	add("sample", sampleQuestion)
	add("slice", sliceQuestion)
	for _, tail := range []bool{false, true} {
		add(L2Question(tail), func() *test { return l2Question(tail) })
		add(StateQuestion(model.Scan, false, tail), func() *test { return stateQuestion(model.Scan, false, tail) })
		for _, cyclic := range []bool{false, true} {
			add(StateQuestion(model.DeltaRule, cyclic, tail), func() *test { return stateQuestion(model.DeltaRule, cyclic, tail) })
		}
	}
	for _, bias := range []bool{false, true} {
		for _, silu := range []bool{false, true} {
			add(ConvQuestion(bias, silu), func() *test { return convQuestion(bias, silu) })
		}
	}
	for _, dim := range headDims {
		for _, share := range shares {
			for _, many := range []bool{false, true} {
				add(SunkQuestion(dim, share, many), func() *test { return sunkQuestion(dim, share, many) })
				for _, ty := range []quant.Type{quant.F16, quant.F32} {
					for _, halves := range []bool{false, true} {
						if halves && ty == quant.F32 {
							continue
						}
						for _, rounded := range []bool{false, true} {
							if !rounded || dim%32 == 0 && !halves && ty == quant.F16 {
								add(AttentionQuestion(dim, share, many, ty, halves, rounded), func() *test {
									return attentionQuestion(dim, share, many, ty, halves, rounded)
								})
							}
						}
					}
				}
			}
		}
	}
	return list, byName
})

// Questions lists all that can be asked.
func Questions() []*Question {
	list, _ := questions()
	return list
}

// Ask returns the question of a name, nil where there is none.
func Ask(name string) *Question {
	_, byName := questions()
	return byName[name]
}

// Form is what follows a product and may be part of its kernel.
type Form string

const (
	Plain    Form = ""
	Residual Form = ", residual"
	Bias     Form = ", bias"
	GLU      Form = ", glu"
)

// productOuts is the rows of the weight of toProduct.
const productOuts = 40

// toProduct makes a product the only reader of a question's rows of cols elements, whole
// blocks: backends may round such rows at once, in the form that the product takes. Its
// weight is large, so that what should have been flushed is seen.
func (c *test) toProduct(cols int) {
	c.tensor("to", quant.Q4_0, productOuts, cols, values(5, productOuts*cols, 1e4))
	rows := c.build
	c.build = func(b *model.Builder) model.ID {
		return b.MatMul("product", b.Weight("to", productOuts, cols), rows(b))
	}
}

// productRows are the rows of x of questions about products: of kernels for one, two,
// four and eight rows, and of those for many.
var productRows = []int{1, 2, 3, 9, 65}

// ProductQuestion names the question of a product with a weight, for the class of kernels
// that take as many rows of x as n; tail: the rows of W are not whole pieces.
func ProductQuestion(ty quant.Type, n int, form Form, tail bool) string {
	name := fmt.Sprintf("matmul %s, %d rows%s", ty, n, form)
	if tail {
		name += ", tail"
	}
	return name
}

func productQuestion(ty quant.Type, n int, form Form, tail bool) *test {
	const rows = 70
	cols := 512
	if tail {
		cols = 67
	}
	c := matmulTest(rows, cols, n)
	c.weight("w", ty, rows, cols)
	c.weight("bias", quant.F32, 1, rows)
	c.weight("w2", ty, rows, cols)
	c.weight("norm", quant.F32, 1, rows)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		product := func(name, w string) model.ID { return b.MatMul(name, b.Weight(w, rows, cols), x) }
		switch form {
		case Residual: // what is added has to be there before the product
			z := b.RMSNorm("z", product("y2", "w2"), b.Weight("norm", 1, rows), 1e-5)
			return b.Add("y", product("y1", "w"), z)
		case Bias:
			return b.Add("y", product("y1", "w"), b.Weight("bias", 1, rows))
		case GLU:
			return b.SwiGLU("y", product("gate", "w"), product("up", "w2"))
		}
		return product("y", "w")
	}
	runs := []*model.Batch{
		rowsOnly(0, n, cols, 1), scaled(rowsOnly(0, n, cols, 2), 1e5), tiny(rowsOnly(0, n, cols, 3)),
		rowsOnly(0, max(1, n-1), cols, 4), rowsOnly(0, n, cols, 5),
	}
	runs[4].Rows[(n-1)*cols+17] = nan
	c.runs = fixed(runs...)
	return c
}

// tiny makes the rows of a batch as small as normal numbers are: results become smaller,
// but what goes in is nowhere taken for zero.
func tiny(b *model.Batch) *model.Batch {
	for i, x := range b.Rows {
		if x *= 1e-37; x < 0x1p-126 && x > -0x1p-126 {
			x = 0
		}
		b.Rows[i] = x
	}
	return b
}

// EmbedQuestion names the question of rows looked up in a table, with rows that tokens
// bring among them where given.
func EmbedQuestion(ty quant.Type, given bool) string {
	if given {
		return fmt.Sprintf("embed %s, given", ty)
	}
	return fmt.Sprintf("embed %s", ty)
}

func embedQuestion(ty quant.Type, given bool) *test {
	const vocab, cols = 77, 512
	c := &test{opts: sized(9)}
	c.opts.Rows = given
	c.weight("w", ty, vocab, cols)
	c.build = func(b *model.Builder) model.ID { return b.Embed("x", b.Weight("w", vocab, cols)) }
	var runs []*model.Batch
	for _, n := range []int{9, 8} {
		b := rowsOnly(0, n, cols, uint64(n))
		rows := 0
		for i := range n {
			id := int32((i*19 + 76 + n) % vocab)
			if given && i%2 == 1 {
				id, rows = -1, rows+1
			}
			b.Tokens = append(b.Tokens, id)
		}
		b.Rows = b.Rows[:rows*cols]
		runs = append(runs, b)
	}
	c.runs = fixed(runs...)
	return c
}

// VectorQuestion names the question of a norm whose weight has a type.
func VectorQuestion(ty quant.Type) string { return fmt.Sprintf("vector %s", ty) }

func vectorQuestion(ty quant.Type) *test {
	c := &test{opts: sized(3)}
	c.weight("w", ty, 1, 512)
	c.build = func(b *model.Builder) model.ID {
		return b.RMSNorm("y", b.Receive("x", 512), b.Weight("w", 1, 512), 1e-5)
	}
	c.runs = fixed(rowsOnly(0, 3, 512, 1), rowsOnly(0, 2, 512, 2))
	return c
}

// groups are elements normed together.
var groups = []int{32, 64, 128, 256, 512, 1536}

// NormQuestion names the question of an RMSNorm of n elements; tail: not whole fours.
func NormQuestion(n int, tail bool) string {
	if tail {
		return fmt.Sprintf("rmsnorm %d, tail", class(groups, n))
	}
	return fmt.Sprintf("rmsnorm %d", class(groups, n))
}

func normQuestion(group int, tail bool) *test {
	if tail {
		group--
	}
	c := &test{opts: sized(4)}
	w := values(4, group, 1)
	for i := range w {
		if i%4 == 1 {
			w[i] *= 1e-4 // with tiny rows, below the normal numbers
		}
	}
	c.tensor("w", quant.F32, 1, group, w)
	c.build = func(b *model.Builder) model.ID {
		return b.RMSNorm("y", b.Receive("x", 2*group), b.Weight("w", 1, group), 1e-5)
	}
	last := rowsOnly(0, 4, 2*group, 5)
	last.Rows[7*group] = nan
	c.runs = fixed(rowsOnly(0, 4, 2*group, 1), scaled(rowsOnly(0, 4, 2*group, 2), 1e5),
		tiny(rowsOnly(0, 4, 2*group, 3)), rowsOnly(0, 3, 2*group, 4), last)
	return c
}

// BareNormQuestion names the question of an RMSNorm of n elements without a weight.
func BareNormQuestion(n int) string {
	return fmt.Sprintf("rmsnorm %d without a weight", class(groups, n))
}

func bareNormQuestion(group int) *test {
	c := normQuestion(group, false)
	c.build = func(b *model.Builder) model.ID {
		return b.HeadNorm("y", b.Receive("x", 2*group), group, 1e-5)
	}
	return c
}

// layerNormQuestion is of rows longer than the chains, with a tail.
func layerNormQuestion() *test {
	const cols = 1531
	c := &test{opts: sized(4)}
	c.weight("w", quant.F32, 1, cols)
	c.build = func(b *model.Builder) model.ID {
		return b.LayerNorm("y", b.Receive("x", cols), b.Weight("w", 1, cols), 1e-5)
	}
	last := rowsOnly(0, 4, cols, 5)
	last.Rows[2*cols] = nan
	c.runs = fixed(rowsOnly(0, 4, cols, 1), scaled(rowsOnly(0, 4, cols, 2), 1e5), tiny(rowsOnly(0, 4, cols, 3)), rowsOnly(0, 3, cols, 4), last)
	return c
}

// RoundedQuestion names the question of n rows of an RMSNorm of some elements, whole blocks,
// that go to a product alone: backends round them at once.
func RoundedQuestion(group, n int) string {
	return fmt.Sprintf("rmsnorm %d, %d rows to a product", class(groups, group), n)
}

func roundedQuestion(group, n int) *test {
	c := matmulTest(productOuts, 2*group, n)
	w := values(4, group, 1)
	for i := range w {
		if i%4 == 1 {
			w[i] *= 3e-12 // about the least that is not taken for zero, where nothing else is in a row
		}
	}
	c.tensor("norm", quant.F32, 1, group, w)
	c.build = func(b *model.Builder) model.ID {
		return b.RMSNorm("x", b.Receive("in", 2*group), b.Weight("norm", 1, group), 1e-5)
	}
	c.toProduct(2 * group)
	last := rowsOnly(0, n, 2*group, 5)
	last.Rows[n*2*group-group] = nan
	few := rowsOnly(0, n, 2*group, 4)
	for i := range few.Rows {
		if i%4 != 1 {
			few.Rows[i] = 0
		}
	}
	c.runs = fixed(rowsOnly(0, n, 2*group, 1), few, scaled(rowsOnly(0, n, 2*group, 2), 1e5), tiny(rowsOnly(0, n, 2*group, 3)), last)
	return c
}

// ActQuestion names the question of an activation.
func ActQuestion(f model.Activation) string { return fmt.Sprintf("act %s", f) }

// elementQuestion is of an op that sees an element of one source or two at a time, f of
// Act, or of Gather.
func elementQuestion(op model.Op, f model.Activation) *test {
	const cols = 259
	c := &test{opts: sized(5)}
	c.weight("w", quant.F32, 1, cols)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		switch op {
		case model.Act:
			switch f {
			case model.Scaled:
				return b.Scale("y", x, -0.37)
			case model.Capped:
				return b.Cap("y", x, 30)
			}
			return b.Act("y", x, f)
		case model.SwiGLU:
			return b.SwiGLU("y", x, x)
		case model.Add:
			return b.Add("y", x, x)
		case model.Mul:
			return b.Mul("y", x, x)
		}
		return b.Gather("y", x)
	}
	for i, large := range []float32{1, 40, 1e-20} {
		b := scaled(rowsOnly(0, 5-i%2, cols, uint64(i+1)), large)
		b.Want = []int32{0, 1, 3}
		if i == 1 {
			b.Rows[cols], b.Rows[2*cols+1], b.Rows[2*cols+2] = nan, inf, -inf
		}
		prev := c.runs
		c.runs = func(p *model.Plan) []*model.Batch {
			if prev == nil {
				return []*model.Batch{b}
			}
			return append(prev(p), b)
		}
	}
	return c
}

func biasQuestion() *test {
	c := &test{opts: sized(5)}
	c.weight("w", quant.F32, 1, 259)
	c.build = func(b *model.Builder) model.ID { return b.Add("y", b.Receive("x", 259), b.Weight("w", 1, 259)) }
	c.runs = fixed(rowsOnly(0, 5, 259, 1), rowsOnly(0, 4, 259, 2))
	return c
}

// FactorQuestion names the question of a product with a weight of a row's elements, or of one.
func FactorQuestion(one bool) string {
	if one {
		return "mul by one"
	}
	return "mul by a vector"
}

func factorQuestion(one bool) *test {
	const cols = 259
	n := cols
	if one {
		n = 1
	}
	c := &test{opts: sized(5)}
	c.weight("w", quant.F32, 1, n)
	c.build = func(b *model.Builder) model.ID { return b.Mul("y", b.Receive("x", cols), b.Weight("w", 1, n)) }
	c.runs = fixed(rowsOnly(0, 5, cols, 1), scaled(rowsOnly(0, 5, cols, 3), 1e-12), rowsOnly(0, 4, cols, 2))
	return c
}

// sampleQuestion chooses greedily and by filters, among ties and where a logit is NaN.
func sampleQuestion() *test {
	const vocab, rows = 3001, 5
	c := sampleTest(vocab, rows)
	var runs []*model.Batch
	for run := range 2 {
		b := scaled(rowsOnly(run*1000, rows, vocab, uint64(run)), 4)
		b.Rows[vocab-1], b.Rows[vocab-2] = 50, 50
		b.Rows[vocab+1+run] = nan
		for i, how := range []sample.Params{{}, {}, {Temp: 1, TopK: 1}, {Temp: 0.8, TopK: 5, Seed: 1}, {Temp: 2, TopK: 7, Seed: 2}} {
			b.Want, b.How = append(b.Want, int32(i)), append(b.How, how)
		}
		runs = append(runs, b)
	}
	c.runs = fixed(runs...)
	return c
}

// headDims are the sizes of heads that questions are about, and shares how many heads
// share keys in them.
var (
	headDims = []int{32, 64, 80, 128, 256}
	shares   = []int{1, 2, 4, 8}
)

// class returns the least of a rising list that is n or more, else the last.
func class(list []int, n int) int {
	for _, c := range list {
		if c >= n {
			return c
		}
	}
	return list[len(list)-1]
}

// AttentionQuestion names the question of keys turned and stored and of attention over
// them, for heads of dim elements of which share read the same keys; many: of prompts;
// rounded: the rows go to a product alone. What is not among the questions goes by the next
// larger, or the largest; what is rounded, by keys of float16 that are turned by neighbours.
func AttentionQuestion(dim, share int, many bool, ty quant.Type, halves, rounded bool) string {
	if rounded {
		ty, halves = quant.F16, false
		if class(headDims, dim)%32 != 0 {
			dim = 128
		}
	}
	name := fmt.Sprintf("attention %d÷%d in %s", class(headDims, dim), class(shares, share), ty)
	if many {
		name += ", many"
	}
	if halves && ty != quant.F32 {
		name += ", halves"
	}
	if rounded {
		name += ", to a product"
	}
	return name
}

func attentionQuestion(dim, share int, many bool, ty quant.Type, halves, rounded bool) *test {
	const vocab, cols = 61, 32
	n, lengths := 15, slices.Repeat([]int{15}, 18) // beyond the first span of 256 positions
	if many {
		n, lengths = 96, []int{40, 96, 96, 40}
	}
	kv := 2
	c := &test{opts: sized(n), room: model.Room{Chunk: n, Seqs: 2, Pages: 12}}
	c.weight("q_table", quant.F32, vocab, kv*share*dim)
	c.weight("x_table", quant.F32, vocab, cols)
	c.weight("k", quant.F32, kv*dim, cols) // a product, since backends turn and store what comes of one at once
	big := values(9, vocab*kv*dim, 1)
	for i := range big {
		if i%vocab == 5 {
			big[i] *= 1e5 // beyond float16
		}
	}
	c.tensor("v_table", quant.F32, vocab, kv*dim, big)
	c.build = func(b *model.Builder) model.ID {
		r := model.Rope{Scale: 1, Halves: halves}
		for j := range dim / 2 {
			r.Freq = append(r.Freq, math.Pow(10000, -2*float64(j)/float64(dim)))
		}
		rope := b.Rope(r)
		kc := b.Memory(model.Memory{Name: "k_cache", Per: model.Position, Type: ty, Cols: kv * dim})
		vc := b.Memory(model.Memory{Name: "v_cache", Per: model.Position, Type: ty, Cols: kv * dim})
		x := b.Embed("x", b.Weight("x_table", vocab, cols))
		q := b.RoPE("qr", b.Embed("q", b.Weight("q_table", vocab, kv*share*dim)), dim, rope)
		b.Store(kc, b.RoPE("kr", b.MatMul("kx", b.Weight("k", kv*dim, cols), x), dim, rope))
		b.Store(vc, b.Embed("v", b.Weight("v_table", vocab, kv*dim)))
		return c.attend(b, q, kc, vc, float32(1/math.Sqrt(float64(dim))))
	}
	c.sunk(heads{kv * share, kv, dim, dim}, 0, nil)
	if rounded {
		c.toProduct(kv * share * dim)
	}
	c.runs = acted(func(c *cast) []*model.Batch {
		runs := c.alone(0, lengths...)
		c.leave(0) // its pages are another's
		return append(runs, c.alone(1, n-1, 1)...)
	})
	return c
}

// SunkQuestion names the question of attention with a cap and with sinks, in float16.
func SunkQuestion(dim, share int, many bool) string {
	return AttentionQuestion(dim, share, many, quant.F16, false, false) + ", a cap, sinks"
}

func sunkQuestion(dim, share int, many bool) *test {
	c := attentionQuestion(dim, share, many, quant.F16, false, false)
	sinks := values(3, 2*share, 3)
	sinks[0] = -1e9
	c.sunk(heads{2 * share, 2, dim, dim}, 3, sinks)
	return c
}
