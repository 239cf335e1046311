package gguf_test

import (
	"fmt"
	"math"
	"strings"

	"eclat/loader/gguf"
)

// hostileHeaders are wrong in the first 24 bytes: magic, version, counts.
func hostileHeaders() []hostile {
	raw := func(b string) func(c *craft) { return func(c *craft) { c.at = 0; c.Append([]byte(b)...) } }
	version := func(v uint32) func(c *craft) {
		return func(c *craft) {
			c.Header(v, 0, 0)
			c.at = 4
		}
	}
	counts := func(tensors, keys uint64, at, rest int) func(c *craft) {
		return func(c *craft) {
			c.Header(3, tensors, keys)
			c.Append(make([]byte, rest)...)
			c.at = at
		}
	}
	list := []hostile{
		{"empty file", raw(""), "magic", "0 bytes"},
		{"1 byte", raw("G"), "magic", "1 bytes"},
		{"3 bytes", raw("GGU"), "magic", "3 bytes"},
		{"old magic", raw("GGMLxxxxxxxxxxxxxxxxxxxx"), "magic", "not a GGUF file"},
		{"magic reversed", raw("FUGGxxxxxxxxxxxxxxxxxxxx"), "magic", "not a GGUF file"},
		{"magic lower case", raw("gguf\x03\x00\x00\x00"), "magic", "not a GGUF file"},
		{"magic of control bytes", raw("\n\x1b[\xff\x03\x00\x00\x00"), "magic", "not a GGUF file"},
		{"text file", raw(strings.Repeat("all work and no play\n", 50)), "magic", "not a GGUF file"},
		{"zeros", raw(strings.Repeat("\x00", 4096)), "magic", "not a GGUF file"},
		{"version 0", version(0), "version", "version 0"},
		{"version 1", version(1), "version", "version 1"},
		{"version 4", version(4), "version", "version 4"},
		{"version largest", version(math.MaxUint32), "version", "version 4294967295"},
		{"big-endian version 3", version(3 << 24), "version", "big-endian"},
		{"big-endian version 2", version(2 << 24), "version", "big-endian"},
		{"tensor count over the limit", counts(1<<16+1, 0, 8, 0), "tensor count", "the limit is 65536"},
		{"tensor count largest", counts(math.MaxUint64, 0, 8, 0), "tensor count", "the limit is 65536"},
		{"tensor count times size overflows", counts(math.MaxUint64/33+2, 0, 8, 0), "tensor count", "the limit is 65536"},
		{"tensor count more than the file holds", counts(100, 0, 8, 99*33), "tensor count", "left in the file"},
		{"key count over the limit", counts(0, 1<<16+1, 16, 0), "metadata count", "the limit is 65536"},
		{"key count largest", counts(0, math.MaxUint64, 16, 0), "metadata count", "the limit is 65536"},
		{"key count more than the file holds", counts(0, 10, 16, 10*14-1), "metadata count", "left in the file"},
	}
	for n := 4; n < 24; n++ { // every length that ends within the header
		field, at := "version", 4
		if n >= 8 {
			field, at = "tensor count", 8
		}
		if n >= 16 {
			field, at = "metadata count", 16
		}
		list = append(list, hostile{fmt.Sprintf("%d bytes", n), func(c *craft) {
			c.Append([]byte("GGUF\x03\x00\x00\x00" + strings.Repeat("\x00", 16))[:n]...)
			c.at = at
		}, field, "the file ends here"})
	}
	return list
}

// hostileKeys are wrong in the name of a metadata key.
func hostileKeys() []hostile {
	key := func(k string) func(c *craft) {
		return func(c *craft) {
			c.Header(3, 0, 2)
			c.KV("general.architecture", "llama")
			c.fault()
			c.KV(k, uint32(1))
		}
	}
	length := func(n uint64) func(c *craft) {
		return func(c *craft) {
			c.Header(3, 0, 1)
			c.fault()
			c.U64(n)
			c.Append(make([]byte, 64)...)
		}
	}
	return []hostile{
		{"key empty", key(""), "metadata key 1", "empty"},
		{"key of 1025 bytes", key(strings.Repeat("k", 1025)), "metadata key 1", "the limit is 1024"},
		{"key twice", key("general.architecture"), "general.architecture", "twice"},
		{"key with newline", key("a\nb"), "metadata key 1", "not printable"},
		{"key with zero byte", key("a\x00b"), "metadata key 1", "not printable"},
		{"key with escape", key("\x1b[2J"), "metadata key 1", "not printable"},
		{"key with delete", key("a\x7f"), "metadata key 1", "not printable"},
		{"key with C1 control", key("a\u009b2J"), "metadata key 1", "not printable"},
		{"key with line separator", key("a\u2028b"), "metadata key 1", "not printable"},
		{"key with right-to-left override", key("a\u202eb"), "metadata key 1", "not printable"},
		{"key not UTF-8", key("a\xff"), "metadata key 1", "not printable"},
		{"key of surrogates", key("\xed\xa0\x80"), "metadata key 1", "not printable"},
		{"key of 1024 control bytes", key(strings.Repeat("\x01", 1024)), "metadata key 1", "not printable"},
		{"key past the end", length(1000), "metadata key 0", "left in the file"},
		{"key of 2^64-1 bytes", length(math.MaxUint64), "metadata key 0", "the limit is 1024"},
		{"key of 2^63 bytes", length(1 << 63), "metadata key 0", "the limit is 1024"},
	}
}

// hostileValues are wrong in a metadata value or its type: that of a key "k", or
// of general.alignment, which the loader itself reads.
func hostileValues() []hostile {
	value := func(t gguf.ValueType, build func(c *craft)) func(c *craft) {
		return func(c *craft) {
			c.Header(3, 0, 1)
			c.Str("k")
			c.U32(uint32(t))
			build(c)
		}
	}
	unknown := func(t gguf.ValueType) func(c *craft) {
		return func(c *craft) {
			c.Header(3, 0, 1)
			c.Str("k")
			c.fault()
			c.U32(uint32(t))
			c.U64(0)
		}
	}
	str := func(n uint64) func(c *craft) {
		return value(gguf.String, func(c *craft) { c.fault(); c.U64(n); c.Append([]byte("abc")...) })
	}
	array := func(elem gguf.ValueType, n uint64, payload int) func(c *craft) {
		return value(gguf.Array, func(c *craft) {
			c.U32(uint32(elem))
			c.fault()
			c.U64(n)
			c.Append(make([]byte, payload)...)
		})
	}
	arrayOfUnknown := func(elem uint32) func(c *craft) {
		return value(gguf.Array, func(c *craft) { c.fault(); c.U32(elem); c.U64(1); c.U64(0) })
	}
	alignment := func(v any) func(c *craft) {
		return func(c *craft) {
			c.Header(3, 0, 1)
			c.KV("general.alignment", v)
			c.at = 24 + 8 + len("general.alignment") + 4
		}
	}
	return []hostile{
		{"value type 13", unknown(13), "k", "unknown value type 13"},
		{"value type 255", unknown(255), "k", "unknown value type 255"},
		{"value type largest", unknown(math.MaxUint32), "k", "unknown value type 4294967295"},
		{"value missing", value(gguf.Uint64, func(c *craft) { c.fault(); c.U32(0) }), "k", "the file ends here"},
		{"bool 2", value(gguf.Bool, func(c *craft) { c.fault(); c.Append(2) }), "k", "a bool is 2"},
		{"bool 255", value(gguf.Bool, func(c *craft) { c.fault(); c.Append(255) }), "k", "a bool is 255"},
		{"bool 2 in an array", value(gguf.Array, func(c *craft) {
			c.U32(uint32(gguf.Bool))
			c.U64(4)
			c.Append(0, 1)
			c.fault()
			c.Append(2, 1)
		}), "k", "a bool is 2"},
		{"string one byte past the end", str(4), "k", "left in the file"},
		{"string of 16 MiB + 1", str(16<<20 + 1), "k", "the limit is 16777216"},
		{"string of 2^63 bytes", str(1 << 63), "k", "the limit is 16777216"},
		{"string of 2^64-1 bytes", str(math.MaxUint64), "k", "the limit is 16777216"},
		{"string without length", value(gguf.String, func(c *craft) { c.fault(); c.U32(0) }), "k", "the file ends here"},
		{"array of unknown type", arrayOfUnknown(13), "k", "unknown array element type 13"},
		{"array of type largest", arrayOfUnknown(math.MaxUint32), "k", "unknown array element type 4294967295"},
		{"array without type", value(gguf.Array, func(c *craft) { c.fault(); c.Append(1, 2) }), "k", "the file ends here"},
		{"array without count", value(gguf.Array, func(c *craft) { c.U32(4); c.fault(); c.U32(0) }), "k", "the file ends here"},
		{"array over the limit", array(gguf.Uint8, 64<<20+1, 8), "k", "the limit is 67108864"},
		{"array count largest", array(gguf.Uint32, math.MaxUint64, 8), "k", "the limit is 67108864"},
		{"array size overflows", array(gguf.Uint64, 1<<61, 8), "k", "the limit is 67108864"},
		{"array one byte short", array(gguf.Uint32, 4, 15), "k", "left in the file"},
		{"array of strings more than the file holds", array(gguf.String, 1000, 999*8), "k", "left in the file"},
		{"array of arrays more than the file holds", array(gguf.Array, 1000, 999*12), "k", "left in the file"},
		{"string in an array past the end", value(gguf.Array, func(c *craft) {
			c.U32(uint32(gguf.String))
			c.U64(2)
			c.Str("a")
			c.fault()
			c.U64(9)
			c.Append([]byte("12345678")...)
		}), "k", "left in the file"},
		{"array in an array of unknown type", value(gguf.Array, func(c *craft) {
			c.U32(uint32(gguf.Array))
			c.U64(1)
			c.fault()
			c.U32(99)
			c.U64(0)
		}), "k", "unknown array element type 99"},
		{"arrays five deep", value(gguf.Array, func(c *craft) {
			for range 4 {
				c.U32(uint32(gguf.Array))
				c.U64(1)
			}
			c.fault()
			c.U32(uint32(gguf.Uint8))
			c.U64(0)
		}), "k", "nested more than 4 deep"},
		{"arrays a million deep", value(gguf.Array, func(c *craft) {
			for i := range 1 << 20 {
				if i == 4 {
					c.fault()
				}
				c.U32(uint32(gguf.Array))
				c.U64(1)
			}
		}), "k", "nested more than 4 deep"},
		{"alignment 0", alignment(uint32(0)), "general.alignment", "not 0"},
		{"alignment 3", alignment(uint32(3)), "general.alignment", "not 3"},
		{"alignment 48", alignment(uint64(48)), "general.alignment", "not 48"},
		{"alignment negative", alignment(int32(-32)), "general.alignment", "not -32"},
		{"alignment 2 MiB", alignment(uint32(2 << 20)), "general.alignment", "not 2097152"},
		{"alignment 2^63", alignment(uint64(1 << 63)), "general.alignment", "not 9223372036854775808"},
		{"alignment of type string", alignment("32\n\x1b[2J" + strings.Repeat("x", 1<<20)), "general.alignment", "type string"},
		{"alignment of type float", alignment(float32(32)), "general.alignment", "type float32"},
		{"alignment of type bool", alignment(true), "general.alignment", "type bool"},
		{"alignment of type array", alignment([]uint32{32}), "general.alignment", "type array"},
	}
}
