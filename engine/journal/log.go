package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"eclat/model"
)

// Sum is the SHA-256 of a row, float32 bits in little endian.
type Sum = [sha256.Size]byte

// Log is what a stage that takes rows and answers rows was sent since it was loaded.
type Log struct {
	plan    *model.Plan
	most    int64 // bytes
	bytes   int64
	due     int64 // bytes from which on it is worth to look for what may be forgotten
	over    bool
	done    []*entry
	row     []byte     // scratch of sums
	live    [][]uint32 // scratch of forget
	answers int        // rows answered so far
}

// entry is a run, a copy of a unit, or a unit restored from bytes.
type entry struct {
	pos  []int32 // (n, axes)
	seqs []model.SeqRun
	rows []float32 // (n, width) that were sent
	sums []Sum     // (n) of the rows answered
	at   int       // how many rows were answered before

	pool     int
	from, to int32  // of a copy; of a restored unit from is −1
	bytes    []byte // of a restored unit
	checked  bool   // Check has computed it
}

// New makes a log for a stage with the plan's memory, of at most so many bytes.
func New(p *model.Plan, most int64) *Log {
	return &Log{plan: p, most: most, due: min(most, 1<<20)}
}

// Ran adds a run, and the rows that were answered, (n, plan's width).
func (l *Log) Ran(b *model.Batch, answer []float32) {
	n := len(b.Pos) / max(1, l.plan.Axes)
	at := l.answers
	l.answers += n
	if l.over {
		return
	}
	e := &entry{pos: append([]int32(nil), b.Pos...), rows: append([]float32(nil), b.Rows...), sums: make([]Sum, n), at: at}
	for i := range e.sums {
		e.sums[i] = l.sum(answer, i, n)
	}
	for _, s := range b.Seqs {
		units := make([][]int32, len(s.Units))
		for pool, table := range s.Units {
			units[pool] = append([]int32(nil), table...)
		}
		e.seqs = append(e.seqs, model.SeqRun{N: s.N, Units: units})
	}
	l.add(e)
}

// Copied adds a copy of a unit.
func (l *Log) Copied(pool int, from, to int32) {
	if !l.over {
		l.add(&entry{pool: pool, from: from, to: to})
	}
}

// Restored adds a unit that was restored from bytes.
func (l *Log) Restored(pool int, unit int32, bytes []byte) {
	if !l.over {
		l.add(&entry{pool: pool, from: -1, to: unit, bytes: append([]byte(nil), bytes...)})
	}
}

func (l *Log) add(e *entry) {
	l.done = append(l.done, e)
	l.bytes += e.size()
}

// size is what an entry takes, in bytes.
func (e *entry) size() int64 {
	n := 200 + 4*len(e.pos) + 4*len(e.rows) + len(Sum{})*len(e.sums) + len(e.bytes)
	for _, s := range e.seqs {
		for _, table := range s.Units {
			n += 24 + 4*len(table)
		}
	}
	return int64(n)
}

// sum is of row i of n.
func (l *Log) sum(rows []float32, i, n int) Sum {
	cols := len(rows) / n
	l.row = l.row[:0]
	for _, x := range rows[i*cols : (i+1)*cols] {
		l.row = binary.LittleEndian.AppendUint32(l.row, math.Float32bits(x))
	}
	return sha256.Sum256(l.row)
}

// Bytes is what the log takes.
func (l *Log) Bytes() int64 { return l.bytes }

// Over reports that more would have had to be kept than may be: the log is empty, and
// stays so. Only a stage that begins anew has a log again.
func (l *Log) Over() bool { return l.over }

// Rows is how many rows the stage has answered.
func (l *Log) Rows() int { return l.answers }
