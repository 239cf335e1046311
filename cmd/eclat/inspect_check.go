package main

import (
	"context"

	"eclat/cmd/eclat/out"
	"eclat/loader"
)

// mostFaults is how many blocks inspect --check lists; the rest is counted.
const mostFaults = 20

// inspectCheck lists the blocks of a file that hold NaN or an infinity.
func inspectCheck(ctx context.Context, f *loader.File) error {
	var skipped, faults int
	var bytes int64
	for _, t := range f.Tensors {
		if bytes += t.Size; !t.Type.CanDecode() {
			skipped++
		}
	}
	bar := out.NewBar("checking", true)
	err := f.CheckFinite(ctx, bar.Set, func(bad *loader.FormatError) bool {
		if faults++; faults <= mostFaults {
			stdout.Printf("%v\n", bad)
		}
		return true
	})
	bar.Clear()
	if faults > mostFaults {
		stdout.Printf("… and %d more\n", faults-mostFaults)
	}
	if skipped > 0 {
		out.Noticef("note: %d of %d tensors are of types that cannot be decoded, and were not looked at", skipped, len(f.Tensors))
	}
	switch {
	case err != nil:
		return interrupted(err, "not everything was checked")
	case faults > 0:
		return f.Errorf("tensors", "blocks with a NaN or an infinity: %d", faults)
	}
	stdout.Printf("sound  %s  %d tensors, %s\n", f.Path, len(f.Tensors)-skipped, mib(bytes))
	return nil
}
