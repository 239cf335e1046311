package conformance

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
)

// routeTest chooses among n experts by received logits, with a bias where biased.
func routeTest(n, tokens int, biased bool, r model.Routing) *test {
	c := &test{opts: sized(tokens)}
	c.tensor("bias", quant.F32, 1, n, values(7, n, 1))
	c.build = func(b *model.Builder) model.ID {
		x, bias := b.Receive("x", n), model.None
		if biased {
			bias = b.Weight("bias", 1, n)
		}
		return b.Route("y", x, bias, r)
	}
	return c
}

// routings are ways of routing that differ in what kernels do.
var routings = []struct {
	name   string
	n      int
	biased bool
	model.Routing
}{
	{"one of one", 1, false, model.Routing{Used: 1, Scale: 1, Groups: 1, GroupsUsed: 1}},
	{"2 of 8, softmax, norm", 8, false, model.Routing{Used: 2, Norm: true, Scale: 1, Groups: 1, GroupsUsed: 1}},
	{"4 of 60, softmax", 60, false, model.Routing{Used: 4, Scale: 1, Groups: 1, GroupsUsed: 1}},
	{"8 of 128, softmax, bias", 128, true, model.Routing{Used: 8, Scale: 2.5, Groups: 1, GroupsUsed: 1}},
	{"6 of 160, sigmoid, bias, norm, 3 of 8 groups", 160, true,
		model.Routing{Used: 6, Gating: model.SigmoidEach, Norm: true, Scale: 16, Groups: 8, GroupsUsed: 3}},
	{"4 of 6, softmax, 2 of 3 groups", 6, false, model.Routing{Used: 4, Scale: 1, Groups: 3, GroupsUsed: 2}},
	{"7 of 33, sigmoid", 33, false, model.Routing{Used: 7, Gating: model.SigmoidEach, Scale: 0.5, Groups: 1, GroupsUsed: 1}},
	{"4 of 32, softmax of chosen", 32, false, model.Routing{Used: 4, Gating: model.SoftmaxChosen, Scale: 1, Groups: 1, GroupsUsed: 1}},
	{"all of 65, softmax of chosen, bias", 65, true, model.Routing{Used: 65, Gating: model.SoftmaxChosen, Scale: 1, Groups: 1, GroupsUsed: 1}},
	{"22 of 1024, sigmoid, bias, norm", 1024, true, model.Routing{Used: 22, Gating: model.SigmoidEach, Norm: true, Scale: 1, Groups: 1, GroupsUsed: 1}},
	{"17 of 256, softmax, norm, 4 of 16 groups", 256, false, model.Routing{Used: 17, Norm: true, Scale: 1, Groups: 16, GroupsUsed: 4}},
}

// routeRuns are logits of ordinary size, equal ones, far apart, small, with what is no
// number among them, and with one that is far above the others, at another place in each row.
func routeRuns(n, tokens int) []*model.Batch {
	equal, bad, one := rowsOnly(0, tokens, n, 3), rowsOnly(0, tokens, n, 4), rowsOnly(0, tokens, n, 8)
	for i := range tokens {
		one.Rows[i*n+(i+1)%n] = 200
	}
	for i := range equal.Rows {
		equal.Rows[i] = float32(int(equal.Rows[i])) // few values, often the same
		if i < n {
			equal.Rows[i] = 0
		}
		if i%3 == 0 && equal.Rows[i] == 0 {
			equal.Rows[i] = -equal.Rows[i]
		}
	}
	for i, x := range []float32{nan, inf, -inf, nan, nan} {
		for j := range n {
			if i < tokens && (i == 4 || j%(5+i) == n/2%(5+i)) {
				bad.Rows[i*n+j] = x
			}
		}
	}
	return []*model.Batch{rowsOnly(0, tokens, n, 1), scaled(rowsOnly(0, tokens, n, 2), 100), equal, bad, rowsOnly(0, 1, n, 5),
		scaled(rowsOnly(0, tokens, n, 6), 1e-13), one}
}

// expertsTest is of products of received rows of cols elements with the matrices (rows, cols) that a
// router chooses of n. own: each expert has a row of its own, made by a first product of
// the same kind; skew: the first experts are those of nearly all rows.
type expertsTest struct {
	ty              quant.Type
	n, used         int
	rows, cols      int
	first           int // rows of each matrix left out before those that are used
	own, bias, skew bool
	tokens          int
}

func (e expertsTest) make() *test {
	c := &test{opts: sized(e.tokens)}
	c.tensor("router", quant.F32, e.n, e.cols, values(3, e.n*e.cols, 1))
	choice := make([]float32, e.n)
	for i := range min(e.used, e.n) {
		choice[i] = 0.9 // beside sigmoids: another expert is seldom above
	}
	c.tensor("choice", quant.F32, 1, e.n, choice)
	of := e.first + e.rows
	c.weight("w", e.ty, e.n*of, e.cols)
	c.weight("own", e.ty, e.n*e.cols, e.cols)
	c.weight("bias", quant.F32, e.n, of)
	c.build = func(b *model.Builder) model.ID {
		x, choice, bias := b.Receive("x", e.cols), model.None, model.None
		if e.skew {
			choice = b.Weight("choice", 1, e.n)
		}
		r := b.Route("r", b.MatMul("logits", b.Weight("router", e.n, e.cols), x), choice,
			model.Routing{Used: e.used, Gating: model.SigmoidEach, Scale: 1, Groups: 1, GroupsUsed: 1})
		if e.own {
			x = b.MatMulExperts("h", b.Weight("own", e.n*e.cols, e.cols), x, r, model.None, e.n, 0, e.cols)
		}
		if e.bias {
			bias = b.Weight("bias", e.n, of)
		}
		return b.MatMulExperts("y", b.Weight("w", e.n*of, e.cols), x, r, bias, e.n, e.first, e.rows)
	}
	return c
}

// experts are cases of routing, of products with experts of every type, and of their sums.
func experts() (cases []*Case) {
	for _, r := range routings {
		c := routeTest(r.n, 5, r.biased, r.Routing)
		low := rowsOnly(0, 5, r.n, 7)
		for i := range low.Rows {
			low.Rows[i] -= 20 // sigmoids that are together below RouteFloor
		}
		c.runs = fixed(append(routeRuns(r.n, 5), low)...)
		cases = append(cases, compared("route", r.name, LimitExact, c))
	}
	for _, ty := range quant.Decodable() {
		block, _ := ty.Block()
		limit := LimitQuant
		if ty == quant.F32 {
			limit = LimitExact
		}
		cols := max(block, 64)
		for _, e := range []expertsTest{
			{ty: ty, n: 5, used: 2, rows: 33, cols: cols, tokens: 65},
			{ty: ty, n: 5, used: 2, rows: 40, cols: 2 * cols, tokens: 65, own: true, bias: true, first: 3},
			{ty: ty, n: 16, used: 3, rows: 20, cols: cols, tokens: 65, own: true, skew: true},
			{ty: ty, n: 3, used: 3, rows: 50, cols: cols, tokens: 1},
			{ty: ty, n: 40, used: 4, rows: 17, cols: 3 * cols, tokens: 3, own: true, bias: true},
			{ty: ty, n: 4, used: 1, rows: 9, cols: cols + 7, tokens: 33, own: true},
		} {
			if e.cols%block != 0 {
				continue
			}
			c := e.make()
			var runs []*model.Batch
			for _, n := range rowCounts {
				if n <= e.tokens {
					runs = append(runs, rowsOnly(0, n, e.cols, uint64(n)))
				}
			}
			c.runs = fixed(append(runs, scaled(rowsOnly(0, e.tokens, e.cols, 8), 1e5), scaled(rowsOnly(0, e.tokens, e.cols, 9), 1e-13))...)
			name := fmt.Sprintf("%s %d of %d, %d×%d, %d rows", ty, e.used, e.n, e.rows, e.cols, e.tokens)
			cases = append(cases, typed(ty, compared("matmul_experts", name, limit, c)))
		}
		// A row that has left the numbers leaves the rows of its experts alone.
		e := expertsTest{ty: ty, n: 4, used: 2, rows: 40, cols: 2 * cols, tokens: 33, own: true}
		c := e.make()
		b := rowsOnly(0, 33, e.cols, 9)
		b.Rows[4*e.cols+17] = nan
		c.runs = fixed(b)
		cases = append(cases, typed(ty, besideNaN("matmul_experts", ty.String()+" beside NaN", limit, 4, c)))
	}
	for _, e := range []struct{ used, cols int }{{1, 1}, {2, 7}, {8, 256}, {3, 1000}, {65, 5}} {
		for _, factors := range []string{"", "F32", "F16"} {
			name := fmt.Sprintf("%d of %d", e.used, e.cols)
			if factors != "" {
				name += ", factors " + factors
			}
			c := combineTest(e.used, e.cols, 5, factors)
			var runs []*model.Batch
			for _, by := range []float32{1, 1e5, 1e-12} {
				runs = append(runs, scaled(rowsOnly(0, 5, e.used*e.cols, 1), by), scaled(rowsOnly(0, 2, e.used*e.cols, 2), by))
			}
			c.runs = fixed(runs...)
			cases = append(cases, compared("combine", name, LimitExact, c))
		}
		c := factorsTest(e.used, e.cols, 5)
		c.runs = fixed(rowsOnly(0, 5, e.used*e.cols, 1), rowsOnly(0, 2, e.used*e.cols, 2), scaled(rowsOnly(0, 5, e.used*e.cols, 3), 1e-12))
		cases = append(cases, compared("mul", fmt.Sprintf("%d experts of %d, by their factors", e.used, e.cols), LimitExact, c))
	}
	return cases
}

// combineTest adds parts of received rows, of used experts of as many and one more, whose
// weights come of the rows too; with factors, of a type, where that is not "".
func combineTest(used, cols, tokens int, factors string) *test {
	return routedTest(used, cols, tokens, factors, func(b *model.Builder, x, r, scale model.ID) model.ID { return b.Combine("y", x, r, scale) })
}

// factorsTest multiplies the same parts by the factors alone.
func factorsTest(used, cols, tokens int) *test {
	return routedTest(used, cols, tokens, "F32", func(b *model.Builder, x, r, scale model.ID) model.ID { return b.MulExperts("y", x, scale, r) })
}

func routedTest(used, cols, tokens int, factors string, build func(b *model.Builder, x, r, scale model.ID) model.ID) *test {
	c := &test{opts: sized(tokens)}
	f := values(5, used+1, 1)
	f[0], f[used] = 1e-38, -3e5 // a product that is flushed, and a large one
	switch factors {
	case "F32":
		c.tensor("factors", quant.F32, 1, used+1, f)
	case "F16":
		f[used] = -300
		c.tensor("factors", quant.F16, 1, used+1, f)
	}
	c.tensor("router", quant.F32, used+1, used*cols, values(3, (used+1)*used*cols, 1))
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", used*cols)
		r := b.Route("r", b.MatMul("logits", b.Weight("router", used+1, used*cols), x), model.None,
			model.Routing{Used: used, Norm: true, Scale: 1, Groups: 1, GroupsUsed: 1})
		scale := model.None
		if factors != "" {
			scale = b.Weight("factors", 1, used+1)
		}
		return build(b, x, r, scale)
	}
	return c
}
