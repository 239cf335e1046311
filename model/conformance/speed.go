package conformance

import (
	"context"
	"slices"
	"time"

	"eclat/loader/quant"
	"eclat/model"
)

// Speed multiplies a 4096 × 4096 weight of a type by one row until at least 0.2 s
// have gone by and returns the rate at which its bytes were read, in GB/s, by the
// median run. What starting and waiting for a run costs is part of it. A type that
// the backend lacks is a model.UnsupportedError.
func Speed(ty quant.Type, open Opener) (gbps float64, err error) {
	const rows, cols = 4096, 4096
	c := matmulTest(rows, cols, 1)
	// The bits do not matter for speed: one encoded row, repeated.
	c.weight("w", ty, 1, cols)
	c.written().Tensors[0].Dims[1] = rows
	b := rowsOnly(0, 1, cols, 5)
	err = c.with(open, func(r *rig) error {
		p, err := r.compile(c.opts)
		if err != nil {
			return err
		}
		var out model.Outputs
		var times []time.Duration
		for start := time.Now(); len(times) < 5 || time.Since(start) < 200*time.Millisecond; {
			t := time.Now()
			if err := p.Run(context.Background(), b, &out); err != nil {
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
