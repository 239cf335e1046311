package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"eclat/loader/quant"
)

// BenchmarkProduct multiplies 48 rows of a weight by columns of activations.
func BenchmarkProduct(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const rows = 48
	for _, f := range Forms() {
		for _, ty := range []quant.Type{quant.Q4_K, quant.Q6_K, quant.Q8_0, quant.Q5_K, quant.Q4_0, quant.IQ4_NL, quant.F16, quant.BF16, quant.F32,
			quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q2_K, quant.Q3_K, quant.IQ4_XS, quant.MXFP4, quant.IQ2_XXS, quant.IQ3_S, quant.IQ1_S, quant.TQ1_0} {
			for _, cols := range []int{256, 1024, 5120} {
				for _, n := range []int{1, 2, 3, 4, 6, 8, 16, 32} {
					b.Run(fmt.Sprintf("%s/%s/%d/%d", f.Name, ty, cols, n), func(b *testing.B) {
						w := weight(r, ty, rows, cols, false)
						need := Need{Cols: cols, Rows: n}
						s, in := new(Scratch), new(Input)
						s.Set(need, make([]float32, need.Len()))
						f.Set(in, make([]float32, InputLen(cols, n)), ty, cols, n)
						x := make([]float32, cols)
						fillRow(r, x, "normal")
						for i := range n {
							f.Round(in, i, x)
						}
						dst := make([]float32, n*rows)
						for b.Loop() {
							f.Product(in, w, 0, rows, dst, rows, s)
						}
						seconds := b.Elapsed().Seconds() / float64(b.N)
						b.ReportMetric(seconds*1e9/rows, "ns/row")
						b.ReportMetric(2*float64(rows*cols*n)/seconds/1e9, "GFLOP/s")
					})
				}
			}
		}
	}
}

// BenchmarkRound rounds a row.
func BenchmarkRound(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range Forms() {
		for _, n := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", f.Name, n), func(b *testing.B) {
				const cols = 5120
				in := new(Input)
				f.Set(in, make([]float32, InputLen(cols, n)), quant.Q4_K, cols, n)
				x := make([]float32, cols)
				fillRow(r, x, "normal")
				for b.Loop() {
					f.Round(in, 0, x)
				}
			})
		}
	}
}

// BenchmarkAttention takes a full span with four heads of 128.
func BenchmarkAttention(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const heads, dim = 4, 128
	half := make([]uint16, dim*Page)
	for i := range half {
		half[i] = uint16(0x3000 + r.IntN(0x1000))
	}
	for name, k := range map[string]Kept{
		"F16": {Half: half}, "Q8_0": {Eight: make([]byte, dim*Page), Scales: half[:dim*Page/32]},
		"Q4_0": {Four: make([]byte, dim*Page/2), Scales: half[:dim*Page/32]},
	} {
		for _, f := range Forms() {
			b.Run(f.Name+"/"+name, func(b *testing.B) {
				need := Need{Heads: heads, DimK: dim, DimV: dim}
				s := new(Scratch)
				s.Set(need, make([]float32, need.Len()))
				q, a, o := make([]float32, heads*dim), make([]float32, heads*Span), make([]float32, heads*dim)
				fillRow(r, q, "normal")
				top, sum := make([]float32, heads), make([]float32, heads)
				for b.Loop() {
					f.Queries(q, 0, heads, dim, s)
					for t := 0; t < Span; t += Page {
						f.Scores(a[t:], k, heads, dim, 0.1, s)
					}
					f.Weights(a, Span, heads, top, sum)
					for t := 0; t < Span; t += Page {
						f.Mix(o, a[t:], k, Page, dim, heads, dim, s)
					}
				}
			})
		}
	}
}
