package engine

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/sample"
)

// Facts describes one device of an open model, for reports.
type Facts struct {
	model.DeviceInfo
	Layers int // of the model that the device computes

	CopyRate, ReadRate func() (float64, error) // of model.Device
}

// Facts describes the devices of the chain in its order.
func (e *Engine) Facts(ctx context.Context) (out []Facts, err error) {
	err = e.do(ctx, func() error {
		for i := range e.owner.chain.links {
			l := &e.owner.chain.links[i]
			f := Facts{DeviceInfo: l.device.Info(), Layers: l.stage.Layers(), CopyRate: l.device.CopyRate, ReadRate: l.device.ReadRate}
			if l.backend != nil {
				f.DeviceInfo = l.backend.Info()
			}
			out = append(out, f)
		}
		return nil
	})
	return out, err
}

// MatMulRate measures how fast the device multiplies the model's largest matrix,
// other than the output matrix, by tokens rows of activations, in floating-point
// operations a second: 2·rows·cols a token. One run of several products in a row
// keeps what is not the product (starting, copying back) small; the best of the
// runs within the time limit counts. 0 where the first device's layers have no matrix;
// ErrMemory where the products need more than the device has beside all that was planned.
func (e *Engine) MatMulRate(ctx context.Context, tokens int, limit time.Duration) (rate float64, err error) {
	err = e.do(ctx, func() error {
		if err := e.owner.ready(); err != nil {
			return err
		}
		rate, err = e.owner.chain.matMulRate(ctx, tokens, limit)
		return err
	})
	return rate, err
}

func (c *chain) matMulRate(ctx context.Context, tokens int, limit time.Duration) (float64, error) {
	l := &c.links[0]
	var w model.Tensor
	for i := range l.plan.Steps {
		s := &l.plan.Steps[i]
		if s.Op != model.MatMul {
			continue
		}
		t := l.plan.Tensors[s.Src[0]]
		if manifest.LayerOf(t.Name) >= 0 && t.Rows*t.Cols > w.Rows*w.Cols {
			w = t
		}
	}
	if w.Rows == 0 {
		return 0, nil
	}
	tokens = min(tokens, c.room.Pages*model.PageLen) // a batch has memory, also where no step looks at it
	const products = 4
	if need, spare := productBytes(tokens, w.Rows, w.Cols, products), l.fit.Spare(); need > spare {
		return 0, fmt.Errorf("engine: %d products of %d tokens take %d MiB, %d MiB are left beside the model: %w", products, tokens, need>>20, max(0, spare)>>20, ErrMemory)
	}
	b := c.model.Builder(c.room)
	x := b.Receive("x", w.Cols)
	y := x
	for i := range products {
		y = b.MatMul("y"+strconv.Itoa(i), b.Again(w), x)
	}
	// No row is wanted back, so the answer takes no time to copy.
	plan, err := b.Plan(b.Gather("nothing", y))
	if err != nil {
		return 0, err
	}
	program, err := l.backend.Compile(plan, model.CompileOptions{Size: model.Size{Tokens: tokens, Want: 1}})
	if err != nil {
		return 0, fmt.Errorf("engine: compile the matrix product: %w", err)
	}
	defer program.Close()
	in := model.Batch{Rows: make([]float32, tokens*w.Cols), Seqs: []model.SeqRun{{N: tokens, Units: make([][]int32, len(c.kinds))}}}
	for pool, k := range c.kinds {
		n := 1
		if k.Per != model.Sequence {
			n = model.Pages(tokens)
		}
		for i := range n {
			in.Seqs[0].Units[pool] = append(in.Seqs[0].Units[pool], int32(i))
		}
	}
	for i := range in.Rows {
		in.Rows[i] = sample.Uniform(1, uint32(i)) - 0.5
	}
	for i := range tokens {
		in.Pos = append(in.Pos, int32(i))
	}
	best := math.Inf(1)
	var out model.Outputs
	for start, n := time.Now(), 0; n < 2 || n < 50 && time.Since(start) < limit; n++ {
		t := time.Now()
		if err := program.Run(ctx, &in, &out); err != nil {
			return 0, err
		}
		if n > 0 { // the first warms up
			best = min(best, time.Since(t).Seconds())
		}
	}
	return 2 * products * float64(tokens) * float64(w.Rows) * float64(w.Cols) / best, nil
}

// productBytes bounds the memory of so many products of a rows × cols matrix: what they
// are given, as it is and rounded, on the host too, and what each gives.
func productBytes(tokens, rows, cols, products int) int64 {
	return 4 * int64(tokens) * (4*int64(cols) + int64(products)*int64(rows))
}
