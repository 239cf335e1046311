package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// ChunkBytes is the size of the pieces that a blob is summed in; only a blob's
// last chunk may be shorter.
const ChunkBytes = 4 << 20

// Sum is a sha256: of a blob, a chunk, a source or a manifest.
type Sum [sha256.Size]byte

// String returns 64 hexadecimal digits in lower case, the one way to write a sum.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// MarshalText lets JSON show a sum as its digits.
func (s Sum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSum reads what String writes and nothing else.
func ParseSum(text string) (s Sum, ok bool) {
	if len(text) != 2*len(s) {
		return s, false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return Sum{}, false
		}
		s[i/2] = s[i/2]<<4 | c
	}
	return s, true
}

// BlobName returns where in a folder the blob of that sum lies, with slashes.
func (s Sum) BlobName() string {
	x := s.String()
	return fmt.Sprintf("blobs/%s/%s", x[:2], x)
}
