package conformance

import (
	"slices"
	"time"

	"eclat/loader/quant"
	"eclat/model"
)

// Speed multiplies a 4096 × 4096 weight of a type by one row until at least 0.2 s
// have gone by and returns the rate at which its bytes were read, in GB/s, by the
// median run. What starting and waiting for a run costs is part of it.
func Speed(ty quant.Type, open Opener) (gbps float64, err error) {
	const rows, cols = 4096, 4096
	c := &test{tokens: 1, pages: 1}
	// The bits do not matter for speed: one encoded row, repeated.
	row := make([]float32, cols)
	copy(row, values(1, cols, 1))
	c.file.Add("w", ty, []int{cols, 1}, row)
	c.file.Tensors[0].Dims[1] = rows
	c.build = func(b *model.Builder) model.ID {
		return b.MatMul("y", b.Weight("w", rows, cols), b.Receive("x", cols))
	}
	in := stream(0, 1, cols, []int32{0}, 5)
	err = c.with(open, func(_ *model.Plan, p model.Program) error {
		var out model.Outputs
		var times []time.Duration
		for start := time.Now(); len(times) < 5 || time.Since(start) < 200*time.Millisecond; {
			t := time.Now()
			if err := p.Run(in, &out); err != nil {
				return err
			}
			times = append(times, time.Since(t))
		}
		slices.Sort(times)
		size, _ := ty.RowBytes(rows * cols)
		gbps = float64(size) / times[len(times)/2].Seconds() / 1e9
		return nil
	})
	return gbps, err
}
