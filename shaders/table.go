package shaders

import (
	"eclat/loader/quant"
	"strconv"
	"strings"
)

// Variant is one way of compiling a source: a line of the table below.
type Variant struct {
	Name      string   // of its .spv, and in messages
	Source    string   // file, from this folder
	Defines   []string // NAME=value
	Storage   int      // storage buffers, bindings 0…
	Texel     int      // uniform texel buffers, the bindings after them
	PushWords int      // 32-bit words of push constants
}

// Types are the weight types that kernels read; TypeName is the part of a
// variant's name, and of the include, that stands for one.
var Types = []quant.Type{
	quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q5_K, quant.Q6_K,
	quant.IQ4_NL, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q2_K, quant.Q3_K, quant.IQ4_XS, quant.MXFP4, quant.NVFP4,
	quant.Q1_0, quant.Q2_0, quant.TQ1_0, quant.TQ2_0,
	quant.IQ2_XXS, quant.IQ2_XS, quant.IQ2_S, quant.IQ3_XXS, quant.IQ3_S, quant.IQ1_S, quant.IQ1_M,
}

// TypeName returns the name of a type in shaders: q4_k for Q4_K.
func TypeName(t quant.Type) string { return strings.ToLower(t.String()) }

// load is where a kernel reads weights and activations from, and how it reduces.
//
//	(none)  storage buffers, subgroup reductions
//	texel   texel buffers, which some drivers read faster, subgroup reductions
//	plain   storage buffers, shared-memory reductions: any device
//
// and products with a type of integers of bytes, with x packed (lib/round.glsl):
//
//	dot     storage buffers, dot products of four bytes
//	coop    storage buffers, products of a subgroup's matrices
type load struct {
	suffix   string
	defines  []string
	fetchers int // 1 where the read-only arrays are texel buffers
}

var loads = []load{
	{"", []string{"SUBGROUP=1"}, 0},
	{"_texel", []string{"SUBGROUP=1", "TEXEL=1"}, 1},
	{"_plain", nil, 0},
}

// Table lists all variants.
func Table() []Variant {
	table := []Variant{
		{"elementwise", "op/elementwise.comp", nil, 4, 0, 4},
		{"bias", "op/bias.comp", nil, 5, 0, 3},
		{"round", "op/round.comp", nil, 3, 0, 3},
		{"gather", "op/gather.comp", nil, 3, 0, 2},
		{"rope", "op/rope.comp", nil, 3, 0, 6},
		{"rope_store", "op/rope.comp", []string{"STORE=1"}, 3, 0, 6},
		{"store", "op/store.comp", nil, 3, 0, 3},
		{"store_blocks", "op/store_blocks.comp", nil, 3, 0, 3},
		{"route", "op/route.comp", nil, 4, 0, 8},
		{"experts", "op/experts.comp", nil, 3, 0, 5},
		{"combine", "op/combine.comp", nil, 5, 0, 3},
		{"conv", "op/conv.comp", nil, 6, 0, 5},
		{"state", "op/state.comp", nil, 7, 0, 10},
		{"slice", "op/slice.comp", nil, 3, 0, 6},
		{"join", "op/join.comp", nil, 4, 0, 6},
		{"heads", "op/heads.comp", nil, 2, 0, 4},
		{"attention_reduce", "op/attention_reduce.comp", nil, 4, 0, 4},
		{"numerics", "op/numerics.comp", nil, 3, 0, 1},
		{"sample_best", "op/sample_best.comp", nil, 3, 0, 2},
		{"sample_pick", "op/sample_pick.comp", nil, 4, 0, 3},
		{"layernorm", "op/layernorm.comp", nil, 4, 0, 6},
		{"rmsnorm", "op/rmsnorm.comp", nil, 4, 0, 6},
		{"rmsnorm_round", "op/rmsnorm.comp", []string{"ROUND=1"}, 4, 0, 6},
	}
	for _, l := range loads {
		table = append(table, Variant{"attention" + l.suffix, "op/attention.comp", l.defines, 7 - 3*l.fetchers, 3 * l.fetchers, 8})
	}
	for _, t := range Types {
		name, define := TypeName(t), "TYPE="+strconv.Itoa(int(t))
		table = append(table,
			Variant{"embed_" + name, "op/embed.comp", []string{define}, 3, 0, 6},
			Variant{"matmul_" + name, "op/matmul.comp", []string{define}, 6, 0, 10})
		for _, l := range loads[:2] { // it reduces in shared memory
			table = append(table, Variant{"matvec_" + name + l.suffix, "op/matvec.comp", append([]string{define}, l.defines...),
				7 - 3*l.fetchers, 3 * l.fetchers, 10})
		}
		if t.Integers() {
			table = append(table,
				Variant{"matvec_" + name + "_dot", "op/matvec.comp", []string{define, "DOT=1"}, 7, 0, 10},
				Variant{"matmul_" + name + "_dot", "op/matmul.comp", []string{define, "DOT=1"}, 6, 0, 10},
				Variant{"matmul_" + name + "_coop", "op/matmul_coop.comp", []string{define, "COOP=1"}, 6, 0, 10})
		}
	}
	return table
}
