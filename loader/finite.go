package loader

import (
	"context"

	"eclat/loader/gguf"
	"eclat/loader/quant"
)

// finiteStep is how many bytes of a tensor are looked at between two looks at a
// context.
const finiteStep = 8 << 20

// CheckFinite decodes all tensors, block by block, and calls bad for each block that
// holds a NaN or an infinity, until it returns false. Tensors of types that cannot be
// decoded are passed over; what a fragments folder lacks is an error after the rest
// was looked at. progress is told bytes and may be nil.
func (f *File) CheckFinite(ctx context.Context, progress func(done, total int64), bad func(*FormatError) (more bool)) error {
	names := make([]string, len(f.Tensors))
	var done, total int64
	for i, t := range f.Tensors {
		names[i] = t.Name
		total += t.Size
	}
	missing := f.Map(names...)
	for _, t := range f.Tensors {
		from := done
		done += t.Size
		if t.Data == nil || !t.Type.CanDecode() {
			continue
		}
		elems, size := t.Type.Block()
		step := finiteStep / size * size
		for at := 0; at < len(t.Data); {
			if err := ctx.Err(); err != nil {
				return err
			}
			data := t.Data[at:min(at+step, len(t.Data))]
			var block int
			var what string
			var value float32
			if err := Guard(func() error { block, what, value = quant.NotFinite(t.Type, data); return nil }); err != nil {
				return err
			}
			if block < 0 {
				f.Forget(data)
				if at += len(data); progress != nil {
					progress(from+int64(at), total)
				}
				continue
			}
			at += block * size
			if !bad(f.notFinite(t, at, elems, what, value)) {
				return nil
			}
			at += size
		}
	}
	return missing
}

// notFinite tells which block of a tensor, at bytes from its start, holds what.
func (f *File) notFinite(t *Tensor, at, elems int, what string, value float32) *FormatError {
	path, offset := f.Path, int64(-1) // in a folder no file holds all
	if f.folder == nil {
		path, offset = f.Parts[t.Shard].Path, t.Offset+int64(at)
	}
	_, size := t.Type.Block()
	row, block := at/t.RowBytes, at%t.RowBytes/size
	reason := "row %d, block %d (elements %d–%d, %s): its %s is %v"
	args := []any{row, block, block * elems, block*elems + elems - 1, t.Type, what, value}
	if elems == 1 {
		reason, args = "row %d, %s %d is %v", []any{row, what, block, value}
	}
	return gguf.Errorf(path, t.Name, offset, reason, args...).(*FormatError)
}
