package model

import (
	"fmt"

	"eclat/loader"
)

// Weights is where a backend reads weights from; *loader.File is one.
type Weights interface {
	// Tensor returns the tensor of a name with its bytes, nil where there is none.
	Tensor(name string) *loader.Tensor
	// Forget says that bytes of a tensor will not be read again soon.
	Forget(data []byte)
}

// Is reports whether f, a tensor of a file, has the type and the shape of weight t: of one
// row, also the elements in several rows.
func (t *Tensor) Is(f *loader.Tensor) bool {
	return len(f.Dims) > 0 && f.Type == t.Type && (f.Dims[0] == t.Cols || t.Rows == 1) && f.Elems() == t.Rows*t.Cols
}

// FindWeight returns the tensor that a plan has as want, in that shape, once its type and
// shape are seen to be the same.
func FindWeight(w Weights, want Tensor) (*loader.Tensor, error) {
	t := w.Tensor(want.Source())
	if t != nil && want.Of != "" {
		return want.part(t)
	}
	switch {
	case t == nil:
		return nil, fmt.Errorf("there is no weight %s", want.Name)
	case !want.Is(t):
		return nil, fmt.Errorf("the weight %s is %s of %s, the plan asks for %s of %s",
			want.Name, Shape(t.Dims...), t.Type, Shape(want.Cols, want.Rows), want.Type)
	}
	if t.Dims[0] != want.Cols { // rows lie one behind the other: the same bytes are one row
		row := *t
		row.Dims, row.RowBytes = []int{want.Cols}, int(t.Size)
		return &row, nil
	}
	return t, nil
}

// part cuts the weight out of the file's tensor that it is a part of: whole blocks of one
// of its rows, or whole rows.
func (t *Tensor) part(whole *loader.Tensor) (*loader.Tensor, error) {
	elems, bytes := whole.Type.Block()
	n, row := t.Rows*t.Cols, whole.Dims[0]
	rows := t.Cols == row && t.First%row == 0
	if whole.Type != t.Type || t.First < 0 || n < 0 || n > whole.Elems() || t.First > whole.Elems()-n ||
		t.First%elems != 0 || t.Cols%elems != 0 || !(rows || t.Rows == 1 && t.First%row+t.Cols <= row) {
		return nil, fmt.Errorf("the weight %s is %s of %s, of which elements %d to %d as rows of %d of %s are no part",
			whole.Name, Shape(whole.Dims...), whole.Type, t.First, t.First+n-1, t.Cols, t.Type)
	}
	p := *whole
	from, size := int64(t.First/elems*bytes), int64(n/elems*bytes)
	p.Name, p.Dims = t.Name, []int{t.Cols, t.Rows}
	p.RowBytes, p.Size, p.Offset = t.Cols/elems*bytes, size, whole.Offset+from
	if int64(len(whole.Data)) == whole.Size {
		p.Data = whole.Data[from:][:size:size]
	}
	return &p, nil
}

// MappedWeight is FindWeight of a tensor whose bytes must be there.
func MappedWeight(w Weights, want Tensor) (*loader.Tensor, error) {
	t, err := FindWeight(w, want)
	if err == nil && int64(len(t.Data)) != t.Size {
		return nil, fmt.Errorf("the weight %s has %d bytes of %d: it is not mapped", want.Name, len(t.Data), t.Size)
	}
	return t, err
}
