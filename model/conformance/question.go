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
	for _, ty := range quant.Decodable() {
		block, _ := ty.Block()
		for _, n := range productRows {
			for _, form := range []Form{Plain, Bias, GLU} {
				for _, tail := range []bool{false, true} {
					if !tail || block == 1 {
						add(ExpertsQuestion(ty, n, form, tail), func() *test { return expertsQuestion(ty, n, form, tail) })
					}
				}
			}
		}
	}
	for gating := range model.NumGatings {
		for _, biased := range []bool{false, true} {
			add(RouteQuestion(gating, biased), func() *test { return routeQuestion(gating, biased) })
		}
	}
	for _, factored := range []bool{false, true} {
		add(CombineQuestion(factored), func() *test { return combineQuestion(factored) })
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
	add(FactorsQuestion, factorsQuestion)
	for _, one := range []bool{false, true} {
		add(FactorQuestion(one), func() *test { return factorQuestion(one) })
	}
	add("layernorm", layerNormQuestion)
	add("sample", sampleQuestion)
	add("slice", sliceQuestion)
	add("join", joinQuestion)
	for _, more := range []bool{false, true} {
		add(HeadsQuestion(more), func() *test { return headsQuestion(more) })
		for _, ty := range []quant.Type{quant.F16, quant.F32, quant.Q8_0, quant.Q4_0} {
			add(LatentQuestion(more, ty), func() *test { return latentQuestion(more, ty) })
		}
	}
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
								add(AttentionQuestion(dim, share, many, ty, ty, halves, rounded), func() *test {
									return attentionQuestion(dim, share, many, ty, ty, halves, rounded)
								})
							}
						}
					}
				}
				if dim%32 != 0 {
					continue
				}
				for _, ty := range [][2]quant.Type{
					{quant.Q8_0, quant.Q8_0}, {quant.Q4_0, quant.Q4_0}, {quant.Q8_0, quant.Q4_0}, {quant.Q4_0, quant.Q8_0},
					{quant.F16, quant.Q8_0}, {quant.F16, quant.Q4_0}, {quant.Q8_0, quant.F16}, {quant.Q4_0, quant.F16},
				} {
					if ty[0] != ty[1] && share != mixedShare {
						continue
					}
					for _, rounded := range []bool{false, true} {
						add(AttentionQuestion(dim, share, many, ty[0], ty[1], false, rounded), func() *test {
							return attentionQuestion(dim, share, many, ty[0], ty[1], false, rounded)
						})
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
