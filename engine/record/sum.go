package record

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"eclat/loader"
)

// piece is how many bytes are summed between two calls of a progress function.
const piece = 16 << 20

// WeightsSum returns the SHA-256 of a model's tensors: of each in the order of
// their names, the name, type and shape, then the bytes. It is the same for a
// file and for the same model in another arrangement. progress may be nil.
func WeightsSum(f *loader.File, progress func(done, total int64)) (sum string, err error) {
	err = loader.Guard(func() error { sum, err = weightsSum(f, progress); return err })
	return sum, err
}

func weightsSum(f *loader.File, progress func(done, total int64)) (string, error) {
	ts := slices.Clone(f.Tensors)
	slices.SortFunc(ts, func(a, b *loader.Tensor) int { return cmp.Compare(a.Name, b.Name) })
	var done, total int64
	for _, t := range ts {
		total += t.Size
	}
	h := sha256.New()
	for _, t := range ts {
		if err := f.Map(t.Name); err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %s %v\n", t.Name, t.Type, t.Dims)
		for at := int64(0); at < t.Size; at += piece {
			part := t.Data[at:min(at+piece, t.Size)]
			h.Write(part)
			if done += int64(len(part)); progress != nil {
				progress(done, total)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// FileSum returns the SHA-256 of a model's file, of all its files one after the
// other where it is split; "" for a model that lies in no GGUF file. progress may
// be nil.
func FileSum(f *loader.File, progress func(done, total int64)) (string, error) {
	if len(f.Parts) == 0 {
		return "", nil
	}
	h := sha256.New()
	var done int64
	for i := range f.Parts {
		p := &f.Parts[i]
		r, err := p.Open()
		if err != nil {
			return "", err
		}
		for at := int64(0); at < p.Size; at += piece {
			n := min(piece, p.Size-at)
			if _, err := io.Copy(h, io.NewSectionReader(r, at, n)); err != nil {
				r.Close()
				return "", fmt.Errorf("%s: %w", p.Path, err)
			}
			if done += n; progress != nil {
				progress(done, f.Size)
			}
		}
		if err := r.Close(); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
