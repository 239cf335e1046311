package ggufwrite

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"eclat/loader/quant"
)

// File describes a well-formed GGUF file.
type File struct {
	Version   uint32 // 0 stands for 3
	Alignment int    // bytes; 0 stands for 32, the default. Any other is written as general.alignment
	Meta      []KV
	Tensors   []Tensor
}

// KV is a metadata key and its value; Raw.KV says which Go types there are.
type KV struct {
	Key   string
	Value any
}

// Tensor is a tensor and its bytes.
type Tensor struct {
	Name string
	Type quant.Type
	Dims []int  // elements, innermost first
	Data []byte // all of it; or a piece that fits a whole number of times and is repeated, for models larger than memory
}

// Size returns the size of the tensor in bytes.
func (t *Tensor) Size() int {
	n := 1
	for _, d := range t.Dims {
		n *= d
	}
	size, ok := t.Type.RowBytes(uint64(n))
	if !ok {
		panic(fmt.Sprintf("ggufwrite: %s: %d elements are not whole blocks of %s", t.Name, n, t.Type))
	}
	return int(size)
}

// Set adds a metadata key, or gives a new value to one that is there.
func (f *File) Set(key string, value any) {
	for i := range f.Meta {
		if f.Meta[i].Key == key {
			f.Meta[i].Value = value
			return
		}
	}
	f.Meta = append(f.Meta, KV{key, value})
}

// Add adds a tensor with the elements of x, encoded as t.
func (f *File) Add(name string, t quant.Type, dims []int, x []float32) {
	f.Tensors = append(f.Tensors, Tensor{name, t, dims, Encode(t, x)})
}

// Bytes returns the file.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		panic(err) // a bytes.Buffer does not fail
	}
	return b.Bytes()
}

// WriteFile writes the file to disk.
func (f *File) WriteFile(path string) error {
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.WriteTo(w); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

// WriteTo writes the file: header, metadata, tensor descriptions, then each
// tensor's data followed by padding to the alignment, the last one's included.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	align := f.alignment()
	out := &counter{w: w}
	out.write(f.header())
	out.pad(align)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		size := t.Size()
		if len(t.Data) == 0 || size%len(t.Data) != 0 {
			panic(fmt.Sprintf("ggufwrite: %s: %d bytes of data for a tensor of %d", t.Name, len(t.Data), size))
		}
		for n := 0; n < size && out.err == nil; n += len(t.Data) {
			out.write(t.Data)
		}
		out.pad(align)
	}
	return out.n, out.err
}

func (f *File) alignment() int {
	if f.Alignment == 0 {
		return 32
	}
	return f.Alignment
}

// header returns all that stands before the data, without the padding after it.
func (f *File) header() []byte {
	version, meta, align := f.Version, f.Meta, f.alignment()
	if version == 0 {
		version = 3
	}
	if f.Alignment != 0 {
		meta = append([]KV{{"general.alignment", uint32(f.Alignment)}}, meta...)
	}
	var r Raw
	r.Header(version, uint64(len(f.Tensors)), uint64(len(meta)))
	for _, kv := range meta {
		r.KV(kv.Key, kv.Value)
	}
	offset := 0 // bytes from the start of the data
	for i := range f.Tensors {
		t := &f.Tensors[i]
		dims := make([]uint64, len(t.Dims))
		for j, d := range t.Dims {
			dims[j] = uint64(d)
		}
		r.TensorInfo(t.Name, dims, t.Type, uint64(offset))
		offset += (t.Size() + align - 1) / align * align
	}
	return r.Bytes()
}

// counter counts what it writes and keeps the first error.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) write(b []byte) {
	if c.err != nil {
		return
	}
	n, err := c.w.Write(b)
	c.n, c.err = c.n+int64(n), err
}

func (c *counter) pad(alignment int) {
	if r := int(c.n % int64(alignment)); r != 0 {
		c.write(make([]byte, alignment-r))
	}
}
