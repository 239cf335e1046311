package conformance

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
)

// ExpertsQuestion names the question of products with experts, of kernels that take as
// many columns as n of ProductQuestion; the second of two takes a row for each expert.
func ExpertsQuestion(ty quant.Type, n int, form Form, tail bool) string {
	name := fmt.Sprintf("matmul_experts %s, %d rows%s", ty, n, form)
	if tail {
		name += ", tail"
	}
	return name
}

func expertsQuestion(ty quant.Type, n int, form Form, tail bool) *test {
	const experts, used, out = 4, 2, 40
	if n > 1 {
		n *= experts / used // so many columns has an expert
	}
	block, _ := ty.Block()
	cols := max(block, 64)
	if tail {
		cols = 67
	}
	c := &test{opts: sized(n)}
	c.tensor("router", quant.F32, experts, cols, values(3, experts*cols, 1))
	for _, name := range []string{"w", "w2"} {
		c.weight(name, ty, experts*cols, cols)
	}
	c.weight("down", ty, experts*out, cols)
	c.weight("bias", quant.F32, experts, cols)
	c.weight("down bias", quant.F32, experts, out)
	c.build = func(b *model.Builder) model.ID {
		x := b.Receive("x", cols)
		r := b.Route("r", b.MatMul("logits", b.Weight("router", experts, cols), x), model.None,
			model.Routing{Used: used, Gating: model.SigmoidEach, Scale: 1, Groups: 1, GroupsUsed: 1})
		product := func(name, w, bias string, x model.ID, m int) model.ID {
			with := model.None
			if form == Bias {
				with = b.Weight(bias, experts, m)
			}
			return b.MatMulExperts(name, b.Weight(w, experts*m, cols), x, r, with, experts, 0, m)
		}
		h := product("h", "w", "bias", x, cols)
		if form == GLU {
			h = b.SwiGLU("s", h, product("h2", "w2", "bias", x, cols))
		}
		return product("y", "down", "down bias", h, out)
	}
	runs := []*model.Batch{scaled(rowsOnly(0, n, cols, 2), 1e5), rowsOnly(0, max(1, n-1), cols, 4)}
	runs[1].Rows[17] = nan
	c.runs = fixed(runs...)
	return c
}

// RouteQuestion names the question of rows that choose their experts.
func RouteQuestion(gating model.Gating, biased bool) string {
	name := fmt.Sprintf("route, %s", gating)
	if biased {
		name += ", bias"
	}
	return name
}

func routeQuestion(gating model.Gating, biased bool) *test {
	c := routeTest(160, 5, biased, model.Routing{Used: 6, Gating: gating, Norm: gating != model.SoftmaxChosen, Scale: 2.5, Groups: 8, GroupsUsed: 3})
	c.runs = fixed(routeRuns(160, 5)...)
	return c
}

// FactorsQuestion names the question of what experts made, times the factor of each.
const FactorsQuestion = "mul by the factors of experts"

func factorsQuestion() *test {
	c := factorsTest(3, 259, 4)
	c.runs = fixed(rowsOnly(0, 4, 3*259, 1), scaled(rowsOnly(0, 4, 3*259, 2), 1e-12), rowsOnly(0, 3, 3*259, 3))
	return c
}

// CombineQuestion names the question of sums over experts, with or without factors.
func CombineQuestion(factored bool) string {
	if factored {
		return "combine, factors"
	}
	return "combine"
}

func combineQuestion(factored bool) *test {
	factors := ""
	if factored {
		factors = "F32"
	}
	c := combineTest(3, 259, 4, factors)
	c.runs = fixed(rowsOnly(0, 4, 3*259, 1), scaled(rowsOnly(0, 4, 3*259, 2), 1e-12), rowsOnly(0, 3, 3*259, 3))
	return c
}
