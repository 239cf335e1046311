package peer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// receiptRows is after how many rows at the latest a worker signs what it answered.
const receiptRows = 32

// Receipt is a worker's word for what it answered to what: whoever has the rows can show
// others that a worker answered them, and any machine can compute whether that was right.
type Receipt struct {
	Rows int    // answered since the stage was loaded
	Sum  []byte // that of tally
	Sig  []byte `json:",omitempty"` // by the worker's key, of text
}

// tally sums what a stage is asked and answers:
//
//	sum ← SHA-256(sum, runs so far, bytes asked, rows asked, bytes answered, rows answered)
//
// with numbers as uint64 in little endian, beginning with the SHA-256 of the plan's sum and
// the coordinator's nonce.
type tally struct {
	sum  [sha256.Size]byte
	runs uint64
	rows int
	last int // rows of the last receipt
}

// mostNonce bounds a nonce.
const mostNonce = 64

func newTally(plan, nonce string) *tally {
	return &tally{sum: sha256.Sum256(fmt.Appendf(nil, "eclat receipt 1 %q %q", plan, nonce))}
}

// ran adds a run of so many tokens, and reports whether a receipt is due.
func (t *tally) ran(tokens int, asked, answered []byte) bool {
	h := sha256.New()
	h.Write(t.sum[:])
	h.Write(binary.LittleEndian.AppendUint64(nil, t.runs))
	for _, b := range [][]byte{asked, answered} {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	h.Sum(t.sum[:0])
	t.runs++
	t.rows += tokens
	if t.rows-t.last < receiptRows {
		return false
	}
	t.last = t.rows
	return true
}

// text is what is signed.
func (r *Receipt) text() []byte {
	return fmt.Appendf(nil, "eclat receipt 1: rows %d, sum %x", r.Rows, r.Sum)
}

// String is the receipt on one line.
func (r Receipt) String() string {
	if r.Rows == 0 {
		return "none yet"
	}
	return fmt.Sprintf("rows %d, sum %x, signature %x", r.Rows, r.Sum, r.Sig)
}

// receipt is of what was summed so far.
func (t *tally) receipt(sign func([]byte) ([]byte, error)) (*Receipt, error) {
	r := &Receipt{Rows: t.rows, Sum: t.sum[:]}
	if sign == nil {
		return r, nil
	}
	var err error
	r.Sig, err = sign(r.text())
	return r, err
}

// check says what is wrong with a receipt that is due.
func (t *tally) check(r *Receipt, peer string, verify func(peer string, text, sig []byte) bool) error {
	switch {
	case r == nil:
		return errors.New("it signs no receipt")
	case r.Rows != t.rows || string(r.Sum) != string(t.sum[:]):
		return errors.New("its receipt is of other rows than it answered")
	case verify != nil && !verify(peer, r.text(), r.Sig):
		return errors.New("its receipt is not signed by its key")
	}
	return nil
}
