package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
)

// Proof shows that two runs computed the same bits: it is equal where all rows of
// logits that tokens were chosen from are. It is the zero value where none was asked for.
type Proof struct {
	Sum    [sha256.Size]byte // SHA-256 of the rows, in order of position: float32 bits, little endian
	Rows   int               // that a token was chosen from, the end of the text among them
	Tokens int               // that were told
}

// String is the proof on one line, to be compared by eye.
func (p Proof) String() string {
	return fmt.Sprintf("sha256 %s, rows of logits %d, tokens %d", p.Hex(), p.Rows, p.Tokens)
}

// Hex is the sum in hexadecimal.
func (p Proof) Hex() string { return hex.EncodeToString(p.Sum[:]) }

// prover sums rows of logits of one sequence.
type prover struct {
	hash hash.Hash
	rows int
	buf  []byte
}

func newProver() *prover { return &prover{hash: sha256.New()} }

// clone is a prover of the same rows so far.
func (p *prover) clone() *prover {
	h, err := p.hash.(hash.Cloner).Clone() // SHA-256 is one
	if err != nil {
		panic(err)
	}
	return &prover{hash: h, rows: p.rows}
}

// add takes the next row, (vocab).
func (p *prover) add(row []float32) {
	p.rows++
	p.buf = p.buf[:0]
	for _, x := range row {
		p.buf = binary.LittleEndian.AppendUint32(p.buf, math.Float32bits(x))
	}
	p.hash.Write(p.buf)
}

// proof is of the rows so far.
func (p *prover) proof(tokens int) Proof {
	q := Proof{Rows: p.rows, Tokens: tokens}
	p.hash.Sum(q.Sum[:0])
	return q
}
