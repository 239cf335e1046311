package manifest

import (
	"fmt"
	"slices"

	"eclat/loader/gguf"
	"eclat/loader/safemath"
)

// check compares the parts of a manifest with each other: sizes with shapes,
// places with the source, blobs with those who use them. What it accepts can be
// opened without another look at a size.
func (m *Manifest) check(path string) error {
	fail := func(field, format string, args ...any) error {
		return gguf.Errorf(path, field, -1, format, args...)
	}
	if len(m.Source.Parts) == 0 {
		return fail("source.parts", "there are none")
	}
	left := m.Source.Size // bytes of parts to come, then none
	rest := make([]int64, len(m.Source.Parts))
	for i, p := range m.Source.Parts {
		if p.Size == 0 || p.Size > left {
			return fail("source.parts.size", "part %d has %d bytes; the source's size leaves %d", i, p.Size, left)
		}
		left -= p.Size
		rest[i] = p.Size
	}
	if left != 0 {
		return fail("source.size", "the parts are %d bytes short of it", left)
	}
	if err := m.checkBlobs(fail); err != nil {
		return err
	}
	used := make(map[Sum]bool, len(m.Blobs))
	for i := range m.Tensors {
		t := &m.Tensors[i]
		if field, reason := m.checkTensor(t); reason != "" {
			return fail("tensor_specifics."+t.Name+"."+field, "%s", reason)
		}
		used[t.Blob] = true
		rest[t.Shard] -= t.Size
	}
	if a, b := overlap(m.Tensors); a != nil {
		return fail("tensor_specifics."+b.Name+".offset", "bytes %d–%d overlap those of %s", b.Offset, b.Offset+b.Size, a.Name)
	}
	for i, p := range m.Source.Parts {
		b := m.blobs[p.Header]
		if b == nil {
			return fail("source.parts.header", "blob %s is not in the list of blobs", p.Header)
		}
		if b.Size != rest[i] {
			return fail("source.parts.header", "blob %s has %d bytes; part %d has %d that belong to no tensor", p.Header, b.Size, i, rest[i])
		}
		used[p.Header] = true
	}
	for _, b := range m.Blobs {
		if !used[b.Sum] {
			return fail("blobs", "nothing uses blob %s", b.Sum)
		}
	}
	want := FragmentsOf(m.Tensors)
	for i := range max(len(want), len(m.Fragments)) {
		switch {
		case i >= len(m.Fragments):
			return fail("fragments", "%s is missing", want[i].Name)
		case i >= len(want) || want[i].Name != m.Fragments[i].Name:
			return fail("fragments.name", "%q is unknown, repeated or out of order", m.Fragments[i].Name)
		case !slices.Equal(want[i].Tensors, m.Fragments[i].Tensors):
			return fail("fragments.tensors", "%s has other tensors than its name says", want[i].Name)
		}
	}
	return nil
}

// checkBlobs checks the list of blobs by itself and makes it searchable.
func (m *Manifest) checkBlobs(fail func(field, format string, args ...any) error) error {
	m.blobs = make(map[Sum]*Blob, len(m.Blobs))
	for i := range m.Blobs {
		b := &m.Blobs[i]
		if i > 0 {
			switch last := m.Blobs[i-1].Sum; slices.Compare(last[:], b.Sum[:]) {
			case 0:
				return fail("blobs.sha256", "blob %s appears twice", b.Sum)
			case 1:
				return fail("blobs.sha256", "blob %s is out of order: not canonical", b.Sum)
			}
		}
		if b.Size == 0 || b.Size > m.Source.Size {
			return fail("blobs.size", "blob %s has %d bytes, the source %d", b.Sum, b.Size, m.Source.Size)
		}
		if n := chunks(b.Size); int64(len(b.Chunks)) != n {
			return fail("blobs.chunks", "blob %s has %d sums; %d bytes are %d chunks", b.Sum, len(b.Chunks), b.Size, n)
		}
		if len(b.Chunks) == 1 && b.Chunks[0] != b.Sum {
			return fail("blobs.chunks", "blob %s is one chunk, whose sum cannot be %s", b.Sum, b.Chunks[0])
		}
		m.blobs[b.Sum] = b
	}
	return nil
}

// chunks returns into how many pieces size bytes are cut.
func chunks(size int64) int64 { return (size-1)/ChunkBytes + 1 }

// checkTensor says which field of a tensor is wrong, and why; "" for none.
func (m *Manifest) checkTensor(t *Tensor) (field, reason string) {
	if len(t.Shape) == 0 {
		return "shape", "no dimensions"
	}
	elems := int64(1)
	for _, d := range t.Shape {
		if d == 0 {
			return "shape", "a dimension is 0"
		}
		all, ok := safemath.Mul(elems, int64(d))
		if !ok {
			return "shape", fmt.Sprintf("%v overflows", t.Shape)
		}
		elems = all
	}
	row, ok := t.Type.RowBytes(uint64(t.Shape[0]))
	if !ok || row != uint64(t.RowBytes) {
		return "row_bytes", fmt.Sprintf("a row of %d elements of %s does not have %d bytes", t.Shape[0], t.Type, t.RowBytes)
	}
	size, ok := t.Type.RowBytes(uint64(elems))
	if !ok || size != uint64(t.Size) {
		return "size", fmt.Sprintf("%d elements of %s do not have %d bytes", elems, t.Type, t.Size)
	}
	if t.Shard >= len(m.Source.Parts) {
		return "shard", fmt.Sprintf("part %d of %d", t.Shard, len(m.Source.Parts))
	}
	if part := m.Source.Parts[t.Shard].Size; t.Size > part || t.Offset > part-t.Size {
		return "offset", fmt.Sprintf("the tensor ends beyond the %d bytes of its source file", part)
	}
	b := m.blobs[t.Blob]
	if b == nil {
		return "blob", fmt.Sprintf("%s is not in the list of blobs", t.Blob)
	}
	if b.Size != t.Size {
		return "blob", fmt.Sprintf("%s has %d bytes, the tensor %d", t.Blob, b.Size, t.Size)
	}
	return "", ""
}

// overlap returns two tensors that share bytes of the source, or nil.
func overlap(tensors []Tensor) (a, b *Tensor) {
	order := make([]*Tensor, len(tensors))
	for i := range tensors {
		order[i] = &tensors[i]
	}
	slices.SortFunc(order, func(a, b *Tensor) int {
		if a.Shard != b.Shard {
			return a.Shard - b.Shard
		}
		return int(min(1, max(-1, a.Offset-b.Offset)))
	})
	for i := 1; i < len(order); i++ {
		if a, b := order[i-1], order[i]; a.Shard == b.Shard && a.Offset+a.Size > b.Offset {
			return a, b
		}
	}
	return nil, nil
}
