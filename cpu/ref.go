package cpu

import (
	"math"

	"github.com/go-gl/mathgl/mgl32"

	"eclat/loader/quant"
	"eclat/model"
)

// refKernels is the reference: the loop of each op's definition in package model.
var refKernels = kernels{
	model.Embed:     refEmbed,
	model.RMSNorm:   refRMSNorm,
	model.MatMul:    refMatMul,
	model.RoPE:      refRoPE,
	model.Store:     refStore,
	model.Attention: refAttention,
	model.SwiGLU:    refSwiGLU,
	model.Add:       refAdd,
	model.Gather:    refGather,
	model.Sample:    refSample,
}

func refEmbed(p *program, s *step) {
	for i, id := range p.in.Tokens {
		quant.Decode(s.weight.Type, row(s.dst, i, s.dstCols), row(s.weight.Data, int(id), s.weight.RowBytes))
	}
}

func refRMSNorm(p *program, s *step) {
	n, eps, w := s.dstCols, float64(s.ArgFloat(0)), s.src[1]
	for i := range p.rows(s) {
		x, dst := row(s.src[0], i, n), row(s.dst, i, n)
		var sum float64
		for _, v := range x {
			sum += float64(v) * float64(v)
		}
		scale := 1 / math.Sqrt(sum/float64(n)+eps)
		for j, v := range x {
			dst[j] = float32(float64(v) * scale * float64(w[j]))
		}
	}
}

func refMatMul(p *program, s *step) {
	if p.rows(s) == 0 { // no logits wanted
		return
	}
	w := p.scratch[0][:s.srcCols[0]]
	for j := range s.dstCols {
		quant.Decode(s.weight.Type, w, row(s.weight.Data, j, s.weight.RowBytes))
		for i := range p.rows(s) {
			var sum float64
			for k, x := range row(s.src[1], i, len(w)) {
				sum += float64(w[k]) * float64(x)
			}
			s.dst[i*s.dstCols+j] = float32(sum)
		}
	}
}

// refRoPE rotates each pair as a vector in the plane. The angle is reduced to one
// turn in float64 first: at position 100,000 a float32 angle is off by 0.004.
func refRoPE(p *program, s *step) {
	headDim, rope := int(s.Arg[0]), p.plan.Ropes[s.Arg[1]]
	for i := range p.rows(s) {
		x, dst := row(s.src[0], i, s.dstCols), row(s.dst, i, s.dstCols)
		copy(dst, x)
		for j, freq := range rope.Freq {
			angle := math.Mod(float64(p.in.Pos[i])*freq, 2*math.Pi)
			turn := mgl32.Rotate2D(float32(angle)).Mul(rope.Scale)
			for h := 0; h < s.dstCols; h += headDim {
				v := turn.Mul2x1(mgl32.Vec2{x[h+2*j], x[h+2*j+1]})
				dst[h+2*j], dst[h+2*j+1] = v[0], v[1]
			}
		}
	}
}

func refStore(p *program, s *step) {
	for i := range p.rows(s) {
		dst := row(s.cache[0], p.cacheRow(i, int(p.in.Pos[i])), s.dstCols)
		for j, v := range row(s.src[0], i, s.dstCols) {
			dst[j] = toHalf(v)
		}
	}
}

func refAttention(p *program, s *step) {
	nHead, nKV, dimK, dimV, scale := int(s.Arg[0]), int(s.Arg[1]), int(s.Arg[2]), int(s.Arg[3]), float64(s.ArgFloat(4))
	for i := range p.rows(s) {
		n := int(p.in.Pos[i]) + 1
		a := make([]float64, n)
		for h := range nHead {
			g := h / (nHead / nKV)
			q, dst := row(row(s.src[0], i, nHead*dimK), h, dimK), row(row(s.dst, i, nHead*dimV), h, dimV)
			top := math.Inf(-1)
			for t := range n {
				k := row(row(s.cache[0], p.cacheRow(i, t), nKV*dimK), g, dimK)
				var dot float64
				for d := range q {
					dot += float64(q[d]) * float64(quant.HalfToFloat(k[d]))
				}
				a[t] = dot * scale
				top = math.Max(top, a[t])
			}
			var sum float64
			for t := range a {
				a[t] = math.Exp(a[t] - top)
				sum += a[t]
			}
			out := make([]float64, dimV)
			for t := range n {
				for d, v := range row(row(s.cache[1], p.cacheRow(i, t), nKV*dimV), g, dimV) {
					out[d] += a[t] / sum * float64(quant.HalfToFloat(v))
				}
			}
			for d, v := range out {
				dst[d] = float32(v)
			}
		}
	}
}

func refSwiGLU(p *program, s *step) {
	for i := range p.rows(s) * s.dstCols {
		x := float64(s.src[0][i])
		s.dst[i] = float32(x / (1 + math.Exp(-x)) * float64(s.src[1][i]))
	}
}

func refAdd(p *program, s *step) {
	for i := range p.rows(s) * s.dstCols {
		j := i
		if s.bias {
			j = i % s.dstCols
		}
		s.dst[i] = s.src[0][i] + s.src[1][j]
	}
}

func refGather(p *program, s *step) {
	for i, want := range p.in.Want {
		copy(row(s.dst, i, s.dstCols), row(s.src[0], int(want), s.dstCols))
	}
}

func refSample(p *program, s *step) {
	for i, want := range p.in.Want {
		p.tokens[i] = p.sampler.Pick(row(s.src[0], i, s.srcCols[0]), p.in.Sampling[i], p.in.Pos[want])
	}
}
