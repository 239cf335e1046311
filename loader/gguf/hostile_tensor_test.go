package gguf_test

import (
	"fmt"
	"math"
	"strings"

	"eclat/loader/gguf"
	"eclat/loader/quant"
)

// tensorFile writes a file with one tensor description by build and 64 bytes of data.
func tensorFile(build func(c *craft)) func(c *craft) {
	return func(c *craft) {
		c.Header(3, 1, 0)
		build(c)
		c.Pad(32)
		c.Append(make([]byte, 64)...)
	}
}

// hostileTensors are wrong in what they say of one tensor, wherever its data is.
func hostileTensors() []hostile {
	name := func(s string) func(c *craft) {
		return tensorFile(func(c *craft) { c.fault(); c.TensorInfo(s, []uint64{1}, quant.F32, 0) })
	}
	// dims marks dimension bad, or their count where bad is -1.
	dims := func(bad int, d ...uint64) func(c *craft) {
		return tensorFile(func(c *craft) {
			c.at = c.Len() + 8 + len("x")
			if bad >= 0 {
				c.at += 4 + 8*bad
			}
			c.TensorInfo("x", d, quant.F32, 0)
		})
	}
	// shape marks the type, which does not go with the dimensions.
	shape := func(t quant.Type, d ...uint64) func(c *craft) {
		return tensorFile(func(c *craft) {
			c.at = c.Len() + 8 + len("x") + 4 + 8*len(d)
			c.TensorInfo("x", d, t, 0)
		})
	}
	offset := func(off uint64) func(c *craft) {
		return tensorFile(func(c *craft) {
			c.TensorInfo("x", []uint64{8}, quant.F32, off)
			c.at = c.Len() - 8
		})
	}
	list := []hostile{
		{"tensor name empty", name(""), "tensor 0", "empty"},
		{"tensor name of 64 bytes", name(strings.Repeat("n", 64)), "tensor 0", "the limit is 63"},
		{"tensor name with newline", name("a\nb"), "tensor 0", "not printable"},
		{"tensor name not UTF-8", name("\xc3"), "tensor 0", "not printable"},
		{"tensor name past the end", tensorFile(func(c *craft) {
			c.fault()
			c.U64(math.MaxInt64)
			c.Append([]byte("name")...)
		}), "tensor 0", "the limit is 63"},
		{"tensor twice", func(c *craft) {
			c.Header(3, 2, 0)
			c.TensorInfo("x", []uint64{1}, quant.F32, 0)
			c.fault()
			c.TensorInfo("x", []uint64{1}, quant.F32, 32)
			c.Pad(32)
			c.Append(make([]byte, 64)...)
		}, "x", "twice"},
		{"no dimensions", dims(-1), "x", "0 dimensions"},
		{"5 dimensions", dims(-1, 1, 1, 1, 1, 1), "x", "5 dimensions"},
		{"2^32-1 dimensions", tensorFile(func(c *craft) {
			c.Str("x")
			c.fault()
			c.U32(math.MaxUint32)
			c.Append(make([]byte, 64)...)
		}), "x", "4294967295 dimensions"},
		{"dimension 0", dims(0, 0), "x", "dimension 0 is 0"},
		{"last dimension 0", dims(3, 2, 2, 2, 0), "x", "dimension 3 is 0"},
		{"dimension -1", dims(1, 8, math.MaxUint64), "x", "dimension 1 is -1"},
		{"dimension 2^63", dims(0, 1<<63), "x", "dimension 0 is -9223372036854775808"},
		{"product 2^64", dims(1, 1<<32, 1<<32), "x", "overflow"},
		{"product 2^64 + 4", dims(1, 4, 1<<62+1), "x", "overflow"},
		{"product 2^63 of four", dims(3, 1<<16, 1<<16, 1<<16, 1<<15), "x", "overflow"},
		{"size in bytes 2^64", shape(quant.F32, 1<<62), "x", "size in bytes overflows"},
		{"size in bytes 2^63", shape(quant.F16, 1<<31, 1<<31), "x", "size in bytes overflows"},
		{"size of F64 overflows", shape(quant.F64, 1<<60), "x", "size in bytes overflows"},
		{"row of 31 Q8_0", shape(quant.Q8_0, 31), "x", "whole number of Q8_0 blocks"},
		{"row of 33 Q4_0", shape(quant.Q4_0, 33), "x", "whole number of Q4_0 blocks"},
		{"rows of 128 Q4_K that make whole blocks together", shape(quant.Q4_K, 128, 2), "x", "whole number of Q4_K blocks"},
		{"row of 2^63-1 Q6_K", shape(quant.Q6_K, math.MaxInt64), "x", "whole number of Q6_K blocks"},
		{"offset 1", offset(1), "x", "not a multiple of the alignment 32"},
		{"offset 2^64-1", offset(math.MaxUint64), "x", "not a multiple of the alignment 32"},
		{"offset -32", offset(math.MaxUint64 - 31), "x", "overflows"},
		{"offset 2^63", offset(1 << 63), "x", "overflows"},
		{"offset 2^63-32", offset(1<<63 - 32), "x", "overflows"},
		{"offset plus size overflows", offset(1<<62 - 32), "x", "overflows"},
		{"offset of alignment 32 in a file of 64", func(c *craft) {
			c.Header(3, 1, 1)
			c.KV("general.alignment", uint32(64))
			c.TensorInfo("x", []uint64{8}, quant.F32, 32)
			c.at = c.Len() - 8
			c.Pad(64)
			c.Append(make([]byte, 64)...)
		}, "x", "not a multiple of the alignment 64"},
	}
	for _, t := range []quant.Type{4, 5, 31, 33, 36, 38, 43, 200, math.MaxInt32 + 1, math.MaxUint32} {
		list = append(list, hostile{fmt.Sprintf("tensor type %d", uint32(t)), shape(t, 256), "x", fmt.Sprintf("unknown tensor type %d", uint32(t))})
	}
	return list
}

// hostilePlaces have tensors outside the file or on one another. Sizes are in
// bytes, of tensors of type I8; missing is what the message must tell.
func hostilePlaces() []hostile {
	type place struct{ offset, size uint64 }
	// places marks the offset of tensor bad; data is what the file holds after its header.
	places := func(bad, data int, ts ...place) func(c *craft) {
		return func(c *craft) {
			c.Header(3, uint64(len(ts)), 0)
			for i, t := range ts {
				c.TensorInfo(fmt.Sprintf("t%d", i), []uint64{t.size}, quant.I8, t.offset)
				if i == bad {
					c.at = c.Len() - 8
				}
			}
			c.Pad(32)
			c.Append(make([]byte, data)...)
		}
	}
	return []hostile{
		{"tensor one byte past the end", places(0, 64, place{0, 65}), "t0", ": 1 bytes are missing"},
		{"tensor begins at the end", places(1, 64, place{0, 64}, place{64, 1}), "t1", ": 1 bytes are missing"},
		{"tensor begins past the end", places(0, 64, place{96, 1}), "t0", ": 33 bytes are missing"},
		{"tensor of 1 TiB", places(0, 64, place{0, 1 << 40}), "t0", fmt.Sprintf(": %d bytes are missing", 1<<40-64)},
		{"tensor of 4 EiB", places(0, 64, place{0, 1<<62 - 1}), "t0", fmt.Sprintf(": %d bytes are missing", 1<<62-1-64)},
		{"first of two past the end", places(0, 64, place{64, 64}, place{0, 64}), "t0", ": 64 bytes are missing"},
		{"no data at all", places(0, 0, place{0, 32}), "t0", ": 32 bytes are missing"},
		{"tensors at one place", places(1, 64, place{0, 32}, place{0, 32}), "t1", "overlap those of t0"},
		{"tensors overlap by one byte", places(1, 64, place{0, 33}, place{32, 32}), "t1", "overlap those of t0"},
		{"tensor within another", places(1, 96, place{0, 96}, place{32, 32}), "t1", "overlap those of t0"},
		{"tensors overlap, later one first", places(0, 96, place{32, 64}, place{0, 33}), "t0", "overlap those of t1"},
		{"third overlaps first", places(2, 128, place{0, 128}, place{96, 32}, place{64, 32}), "t2", "overlap those of t0"},
	}
}

// hostileCuts are a valid file cut off: in its header, where the offset tells
// the place, and in its data, where the message tells what is missing.
func hostileCuts() []hostile {
	whole := func(c *craft) (ends map[string]int) {
		ends = map[string]int{}
		c.Header(3, 2, 2)
		c.KV("name", "value")
		ends["first key"] = c.Len()
		c.KV("list", []uint32{1, 2, 3})
		ends["last key"] = c.Len()
		c.TensorInfo("a", []uint64{4, 2}, quant.F32, 0)
		ends["first tensor"] = c.Len()
		c.TensorInfo("b", []uint64{32, 2}, quant.Q8_0, 32)
		ends["last tensor"] = c.Len()
		c.Pad(32)
		ends["header"] = c.Len()
		c.Append(make([]byte, 32+2*34)...)
		ends["data"] = c.Len()
		return ends
	}
	// cut leaves back bytes less than up to the end of what; the fault is then
	// reported at bytes before that end, or for data at the tensor.
	cut := func(what string, back, at int) func(c *craft) {
		return func(c *craft) {
			full := &craft{}
			ends := whole(full)
			c.Append(full.Bytes()[:ends[what]-back]...)
			c.at = ends[what] - at
		}
	}
	inData := func(what string, back int) func(c *craft) {
		return func(c *craft) {
			cut(what, back, 0)(c)
			full := &craft{}
			c.at = whole(full)["last tensor"] - 8
		}
	}
	return []hostile{
		{"cut in the first key, where the counts no longer fit", cut("first key", 18, 53-8), "tensor count", "left in the file"},
		{"cut in the last key's array", cut("last key", 3, 12+8), "list", "left in the file"},
		{"cut in the last tensor's name", cut("last tensor", 8+4+16+4+1, 8+4+16+4+9), "tensor 1", "left in the file"},
		{"cut in the last tensor's dimension count", cut("last tensor", 8+4+16+2, 8+4+16+4), "b", "the file ends here: at least 2 bytes"},
		{"cut in the last tensor's dimensions", cut("last tensor", 8+4+1, 8+4+8), "b", "the file ends here: at least 1 bytes"},
		{"cut in the last tensor's type", cut("last tensor", 8+3, 8+4), "b", "the file ends here: at least 3 bytes"},
		{"cut in the last tensor's offset", cut("last tensor", 5, 8), "b", "the file ends here: at least 5 bytes"},
		{"cut before the padding", inData("last tensor", 0), "b", "bytes are missing"},
		{"cut before the data", inData("header", 0), "b", ": 100 bytes are missing"},
		{"cut in the first tensor's data", inData("data", 90), "b", ": 90 bytes are missing"},
		{"cut before the last tensor's data", inData("data", 68), "b", ": 68 bytes are missing"},
		{"cut in the last tensor's data", inData("data", 34), "b", ": 34 bytes are missing"},
		{"cut by one byte", inData("data", 1), "b", ": 1 bytes are missing"},
	}
}

// hostileLarge are as large as the limits allow, with the fault at the end, so
// that all before it is read and kept.
func hostileLarge() []hostile {
	const most = 1 << 16 // keys, tensors
	return []hostile{
		{"65536 keys, the last one twice", func(c *craft) {
			c.Header(3, 0, most)
			for i := range most - 1 {
				c.KV(fmt.Sprintf("key.%d", i), uint8(0))
			}
			c.fault()
			c.KV("key.0", uint8(0))
		}, "key.0", "twice"},
		{"65536 tensors, the last one twice", func(c *craft) {
			c.Header(3, most, 0)
			for i := range most - 1 {
				c.TensorInfo(fmt.Sprintf("tensor.%d", i), []uint64{1, 1, 1, 1}, quant.F32, uint64(32*i))
			}
			c.fault()
			c.TensorInfo("tensor.0", []uint64{1}, quant.F32, 32*(most-1))
		}, "tensor.0", "twice"},
		{"65536 tensors at one place", func(c *craft) {
			c.Header(3, most, 0)
			for i := range most {
				c.TensorInfo(fmt.Sprintf("tensor.%d", i), []uint64{1, 1, 1, 1}, quant.F32, 0)
				if i == 1 {
					c.at = c.Len() - 8
				}
			}
			c.Pad(32)
			c.Append(make([]byte, 32)...)
		}, "tensor.1", "overlap those of tensor.0"},
		{"a million empty strings, then one past the end", func(c *craft) {
			const n = 1 << 20
			c.Header(3, 0, 1)
			c.Str("tokens")
			c.U32(uint32(gguf.Array))
			c.U32(uint32(gguf.String))
			c.U64(n)
			c.Append(make([]byte, 8*(n-1))...)
			c.fault()
			c.U64(1)
		}, "tokens", "left in the file"},
		{"a million empty arrays, then one of unknown type", func(c *craft) {
			const n = 1 << 20
			c.Header(3, 0, 1)
			c.Str("arrays")
			c.U32(uint32(gguf.Array))
			c.U32(uint32(gguf.Array))
			c.U64(n)
			c.Append(make([]byte, 12*(n-1))...)
			c.fault()
			c.U32(77)
			c.U64(0)
		}, "arrays", "unknown array element type 77"},
		{"a string of 16 MiB, then an unknown type", func(c *craft) {
			c.Header(3, 0, 2)
			c.KV("long", strings.Repeat("x", 16<<20))
			c.Str("k")
			c.fault()
			c.U32(13)
			c.U64(0)
		}, "k", "unknown value type 13"},
	}
}
