package quantize

import (
	"fmt"
	"math"
	"strings"

	"eclat/loader"
	"eclat/loader/quant"
)

// Importance has for tensors, by name, the mean square of what each column is
// multiplied by: as many values as columns, or as columns times experts. An error in a
// column counts as much.
type Importance map[string][]float32

// ReadImportance reads the importance matrix of a GGUF file: for each tensor
// NAME.in_sum2, (experts, columns) sums of squares, and NAME.counts, (experts, 1) how
// many were added. What was never met counts 1. Files of the format before that
// (imatrix.dat) are read too.
func ReadImportance(path string) (Importance, error) {
	if isDat(path) {
		return readDat(path)
	}
	f, err := loader.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := Importance{}
	err = loader.Guard(func() error {
		for _, t := range f.Tensors {
			name, ok := strings.CutSuffix(t.Name, ".in_sum2")
			if !ok {
				continue
			}
			counts := f.Tensor(name + ".counts")
			if counts == nil || t.Type != quant.F32 || counts.Type != quant.F32 || counts.Elems() != t.Rows() {
				return f.Errorf(t.Name, "there are no %d counts to it, or it is not of F32", t.Rows())
			}
			w, n := make([]float32, t.Elems()), make([]float32, counts.Elems())
			quant.Decode(quant.F32, w, t.Data)
			quant.Decode(quant.F32, n, counts.Data)
			for i := range w {
				if c := n[i/t.Dims[0]]; c > 0 {
					w[i] /= c
				} else {
					w[i] = 1
				}
				if !(w[i] >= 0) || w[i] > math.MaxFloat32 {
					return f.Errorf(t.Name, "element %d is no sum of squares", i)
				}
			}
			m[name] = w
		}
		return nil
	})
	if err == nil && len(m) == 0 {
		err = f.Errorf("tensors", "there is no importance matrix: no tensor's name ends in .in_sum2")
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// of returns the weights of a tensor, nil without any.
func (m Importance) of(t *loader.Tensor) ([]float32, error) {
	w, ok := m[t.Name]
	if !ok {
		return nil, nil
	}
	experts := 1
	if len(t.Dims) > 2 {
		experts = t.Dims[2]
	}
	if n := t.Dims[0]; len(w) != n && len(w) != n*experts {
		return nil, fmt.Errorf("%w: the importance matrix has %d values for %s of %d columns", ErrImportance, len(w), t.Name, n)
	}
	return w, nil
}

// weights fills dst with those of the elements of t from number at on.
func weights(dst, w []float32, t *loader.Tensor, at int) {
	columns, matrix := t.Dims[0], t.Elems()
	if len(w) > columns {
		matrix = columns * t.Dims[1]
	}
	for i := 0; i < len(dst); {
		column, row := (at+i)%columns, (at+i)/matrix*columns
		i += copy(dst[i:], w[row+column:row+columns])
	}
}
