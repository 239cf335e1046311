package imatrix

import (
	"io"

	"eclat/loader/atomicfile"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// WriteFile writes the matrix at path, whole or not at all. dataset names the text.
func (m *Matrix) WriteFile(path, dataset string) error {
	return atomicfile.Write(path, atomicfile.Options{}, func(w io.Writer) error {
		_, err := m.file(dataset).WriteTo(w)
		return err
	})
}

// file lays the matrix out as llama.cpp does.
func (m *Matrix) file(dataset string) *ggufwrite.File {
	f := &ggufwrite.File{}
	f.Set("general.type", "imatrix")
	f.Set("imatrix.datasets", []string{dataset})
	f.Set("imatrix.chunk_count", uint32(m.Windows))
	f.Set("imatrix.chunk_size", uint32(m.Window))
	for i := range m.Sums {
		s := &m.Sums[i]
		squares, counts := make([]float32, len(s.Squares)), make([]float32, len(s.Counts))
		for j, x := range s.Squares {
			squares[j] = float32(x)
		}
		for j, n := range s.Counts {
			counts[j] = float32(n)
		}
		f.Add(s.Name+".in_sum2", quant.F32, []int{s.Cols, len(counts)}, squares)
		f.Add(s.Name+".counts", quant.F32, []int{1, len(counts)}, counts)
	}
	return f
}
