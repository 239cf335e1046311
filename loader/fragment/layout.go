package fragment

import (
	"slices"

	"eclat/loader/manifest"
)

// extent is a run of bytes of a source file: a tensor, or what lies between two.
// In order of part and offset the extents are the whole source.
type extent struct {
	part   int   // which file, from 0
	offset int64 // bytes from the start of the file
	size   int64 // bytes, not 0
	tensor int   // index into the tensors, or gap
	at     int64 // of a gap: bytes from the start of the part's header blob
}

const gap = -1

// layout cuts files of the given sizes into extents.
func layout(tensors []manifest.Tensor, sizes []int64) []extent {
	order := make([]int, len(tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &tensors[a], &tensors[b]
		if x.Shard != y.Shard {
			return x.Shard - y.Shard
		}
		return int(min(1, max(-1, x.Offset-y.Offset)))
	})
	var out []extent
	for part, size := range sizes {
		var pos, at int64
		fill := func(to int64) {
			if to > pos {
				out = append(out, extent{part, pos, to - pos, gap, at})
				at += to - pos
			}
		}
		for len(order) > 0 && tensors[order[0]].Shard == part {
			t := &tensors[order[0]]
			fill(t.Offset)
			out = append(out, extent{part, t.Offset, t.Size, order[0], 0})
			pos, order = t.Offset+t.Size, order[1:]
		}
		fill(size)
	}
	return out
}

// headerSpan is the header blob of a part: its gaps, one after the other, each
// read from the source with read.
func headerSpan(extents []extent, part int, read func(p []byte, off int64) error) span {
	s := span{sums: true}
	var gaps []extent
	for _, e := range extents {
		if e.part == part && e.tensor == gap {
			gaps = append(gaps, e)
			s.size += e.size
		}
	}
	s.read = func(p []byte, off int64) error {
		i, found := slices.BinarySearchFunc(gaps, off, func(e extent, off int64) int { return int(min(1, max(-1, e.at-off))) })
		if !found {
			i-- // the gap that off lies within
		}
		for ; len(p) > 0; i++ {
			skip := off - gaps[i].at
			n := min(int64(len(p)), gaps[i].size-skip)
			if err := read(p[:n], gaps[i].offset+skip); err != nil {
				return err
			}
			p, off = p[n:], off+n
		}
		return nil
	}
	return s
}
