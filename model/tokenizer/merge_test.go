package tokenizer

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// mergeNaive is the definition: while some pair merges, merge the one of lowest
// rank, of equal ranks the leftmost.
func mergeNaive(t *pairTable, syms []int32) []int32 {
	syms = slices.Clone(syms)
	for {
		best, bestRank, bestTo := -1, int32(noRank), int32(0)
		for i := range len(syms) - 1 {
			if rank, to := t.find(syms[i], syms[i+1]); rank < bestRank {
				best, bestRank, bestTo = i, rank, to
			}
		}
		if best < 0 {
			return syms
		}
		syms[best] = bestTo
		syms = slices.Delete(syms, best+1, best+2)
	}
}

func TestMerge(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	s := &scratch{}
	for range 2000 {
		n := 1 + random.IntN(60)
		table := newPairTable(n)
		symbols := int32(2 + random.IntN(20))
		for i := range n { // ranks meet: SentencePiece scores do
			table.add(random.Int32N(symbols), random.Int32N(symbols), random.Int32N(symbols), int32(i/(1+random.IntN(3))))
		}
		var syms []int32
		for i := range random.IntN(3 * longWord) {
			sym := random.Int32N(symbols)
			if random.IntN(10) == 0 {
				sym = ^int32(i)
			}
			syms = append(syms, sym)
		}
		want := mergeNaive(&table, syms)
		for name, merge := range map[string]func(*scratch){"merge": table.merge, "mergeShort": table.mergeShort, "mergeLong": table.mergeLong} {
			if len(syms) < 2 && name != "merge" {
				continue
			}
			s.syms = append(s.syms[:0], syms...)
			if merge(s); !slices.Equal(s.syms, want) {
				t.Fatalf("%s(%v)\n got %v\nwant %v", name, syms, s.syms, want)
			}
		}
	}
}

func TestPairTable(t *testing.T) {
	const n = 1000
	table := newPairTable(n)
	for i := range int32(n) {
		table.add(i%10, i, i+1, i)
		table.add(i%10, i, 7, 7) // the first counts
	}
	for i := range int32(n) {
		if rank, to := table.find(i%10, i); rank != i || to != i+1 {
			t.Fatalf("pair %d: rank %d, to %d", i, rank, to)
		}
		if rank, _ := table.find(i, ^i); rank != noRank {
			t.Fatalf("pair with a negative symbol: rank %d", rank)
		}
	}
	if rank, _ := table.find(11, 11); rank != noRank {
		t.Errorf("no such pair: rank %d", rank)
	}
}
