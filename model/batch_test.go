package model

import (
	"strings"
	"testing"

	"eclat/loader/quant"
	"eclat/model/sample"
)

// checked is a plan of one Embed with the given pools, ending in Sample.
func checked(axes int, pools ...Pool) *Plan {
	return &Plan{
		Tensors: []Tensor{{Name: "w", Kind: Weight, Type: quant.F32, Cols: 4, Rows: 10}, {Name: "x", Cols: 4, Kind: TokenRows},
			{Name: "g", Cols: 4, Kind: WantRows}, {Name: "t", Cols: 1, Kind: WantRows, Type: quant.I32}},
		Steps:  []Step{{Op: Embed, Dst: 1, Src: []ID{0}}, {Op: Gather, Dst: 2, Src: []ID{1}}, {Op: Sample, Dst: 3, Src: []ID{2}}},
		Pools:  pools,
		Axes:   axes,
		Vocab:  10,
		Hidden: None,
		Result: 3,
	}
}

// sound is a batch of two sequences, of 3 tokens from position 30 and of one at
// position 95, over 8 pages, 8 pages of a window of 33, and 3 slots.
func sound() (*Plan, *Batch) {
	p := checked(1, Pool{Position, 0, 8}, Pool{Window, 33, 8}, Pool{Sequence, 0, 3})
	return p, &Batch{
		Tokens: []int32{1, 9, 0, 5},
		Pos:    []int32{30, 31, 32, 95},
		Seqs: []SeqRun{
			{3, [][]int32{{7, 0}, {0, 7}, {2}}},
			{1, [][]int32{{1, 2, 3}, {-1, 5, 6}, {0}}},
		},
		Want: []int32{2, 3},
		How:  []sample.Params{{}, {Temp: 1}},
	}
}

func TestCheck(t *testing.T) {
	size := Size{6, 3}
	p, b := sound()
	if err := b.Check(p, size); err != nil {
		t.Fatalf("a sound batch: %v", err)
	}
	for _, c := range []struct {
		name   string
		change func(p *Plan, b *Batch)
		says   string // empty where the change is allowed
	}{
		{"no tokens", func(_ *Plan, b *Batch) { *b = Batch{} }, "0 tokens"},
		{"more tokens than the program has room for", func(_ *Plan, b *Batch) {
			b.Pos = append(b.Pos, 96, 97, 98)
			b.Tokens = append(b.Tokens, 1, 1, 1)
			b.Seqs[1].N = 4
		}, "7 tokens for a program of 6"},
		{"as many as it has room for", func(_ *Plan, b *Batch) {
			b.Pos = []int32{28, 29, 30, 31, 32, 95}
			b.Tokens = append(b.Tokens, 1, 1)
			b.Seqs[0].N = 5
		}, ""},

		{"an id less", func(_ *Plan, b *Batch) { b.Tokens = b.Tokens[:3] }, "3 token ids for 4 tokens"},
		{"an id more", func(_ *Plan, b *Batch) { b.Tokens = append(b.Tokens, 0) }, "5 token ids for 4 tokens"},
		{"id past the end", func(_ *Plan, b *Batch) { b.Tokens[1] = 10 }, "id 10"},
		{"id −2", func(_ *Plan, b *Batch) { b.Tokens[1] = -2 }, "id -2"},
		{"least id", func(_ *Plan, b *Batch) { b.Tokens[1] = -1 << 31 }, "id -2147483648"},
		{"no id, no row", func(_ *Plan, b *Batch) { b.Tokens[1] = -1 }, "0 hidden values for 1 rows"},
		{"no id and a row", func(_ *Plan, b *Batch) { b.Tokens[1], b.Rows = -1, make([]float32, 4) }, ""},
		{"a row too short", func(_ *Plan, b *Batch) { b.Tokens[1], b.Rows = -1, make([]float32, 3) }, "3 hidden values"},
		{"a row too many", func(_ *Plan, b *Batch) { b.Tokens[1], b.Rows = -1, make([]float32, 8) }, "8 hidden values"},
		{"a row that nobody takes", func(_ *Plan, b *Batch) { b.Rows = make([]float32, 4) }, "4 hidden values for 0 rows"},
		{"rows in place of ids", func(p *Plan, b *Batch) { p.Hidden, b.Rows, b.Tokens = 1, make([]float32, 16), nil }, ""},
		{"ids are not looked at beside rows", func(p *Plan, b *Batch) { p.Hidden, b.Rows, b.Tokens = 1, make([]float32, 16), []int32{99} }, ""},
		{"rows of three tokens of four", func(p *Plan, b *Batch) { p.Hidden, b.Rows = 1, make([]float32, 12) }, "12 hidden values for 4 rows"},
		{"no rows", func(p *Plan, b *Batch) { p.Hidden = 1 }, "0 hidden values"},

		{"negative position", func(_ *Plan, b *Batch) { b.Pos[0], b.Pos[1], b.Pos[2] = -1, 0, 1 }, "position -1"},
		{"falling", func(_ *Plan, b *Batch) { b.Pos[1] = 29 }, "position 29, want 31"},
		{"one position twice", func(_ *Plan, b *Batch) { b.Pos[1] = 30 }, "position 30, want 31"},
		{"skipping", func(_ *Plan, b *Batch) { b.Pos[2] = 33 }, "position 33, want 32"},
		{"past the largest position", func(_ *Plan, b *Batch) { b.Pos[0], b.Pos[1], b.Pos[2] = 1<<31-2, 1<<31-1, -1<<31 }, "position"},
		{"a position past the pages", func(_ *Plan, b *Batch) { b.Pos[3] = 96 }, "3 pages of pool 0 for positions to 96"},
		{"the largest position", func(_ *Plan, b *Batch) { b.Pos[3] = 1<<31 - 1 }, "3 pages of pool 0"},

		{"sequences of no token", func(_ *Plan, b *Batch) { b.Seqs[0].N = 0 }, "sequence 0 has 0"},
		{"sequences of fewer tokens than none", func(_ *Plan, b *Batch) { b.Seqs[0].N = -1 }, "sequence 0 has -1"},
		{"sequences of more tokens than there are", func(_ *Plan, b *Batch) { b.Seqs[1].N = 2 }, "sequence 1 has 2"},
		{"tokens of nobody", func(_ *Plan, b *Batch) { b.Seqs = b.Seqs[:1] }, "have 3 of the batch's 4"},
		{"no sequence", func(_ *Plan, b *Batch) { b.Seqs = nil }, "have 0 of the batch's 4"},
		{"a pool too few", func(_ *Plan, b *Batch) { b.Seqs[1].Units = b.Seqs[1].Units[:2] }, "2 pools of 3"},
		{"a pool too many is passed over", func(_ *Plan, b *Batch) { b.Seqs[1].Units = append(b.Seqs[1].Units, nil) }, ""},
		{"no pages", func(_ *Plan, b *Batch) { b.Seqs[0].Units[0] = nil }, "0 pages of pool 0"},
		{"a page too few", func(_ *Plan, b *Batch) { b.Seqs[0].Units[0] = []int32{7} }, "1 pages of pool 0"},
		{"pages for later", func(_ *Plan, b *Batch) { b.Seqs[0].Units[0] = []int32{7, 0, 4, 99} }, ""},
		{"a page past the end", func(_ *Plan, b *Batch) { b.Seqs[0].Units[0][0] = 8 }, "unit 8 of pool 0, which has 8"},
		{"a page given back too early", func(_ *Plan, b *Batch) { b.Seqs[1].Units[0][0] = -1 }, "unit -1 of pool 0"},

		{"window: page in sight given back", func(_ *Plan, b *Batch) { b.Seqs[1].Units[1][1] = -1 }, "unit -1 of pool 1"},
		{"window: the last position in sight is on the page before", func(_ *Plan, b *Batch) { b.Pos[3] = 94 }, ""},
		{"window: page out of sight with nonsense", func(_ *Plan, b *Batch) { b.Seqs[1].Units[1][0] = 1 << 30 }, ""},
		{"window: page out of sight is another's", func(_ *Plan, b *Batch) { b.Seqs[1].Units[1][0] = 0 }, ""},
		{"window: just out of sight", func(_ *Plan, b *Batch) { b.Seqs[1].Units[1], b.Pos[3] = []int32{-1, -1, 5, 6}, 96 }, "3 pages of pool 0"},
		{"window: a page past the end", func(_ *Plan, b *Batch) { b.Seqs[1].Units[1][2] = 8 }, "unit 8 of pool 1"},

		{"no slot", func(_ *Plan, b *Batch) { b.Seqs[0].Units[2] = nil }, "pool 2"},
		{"a slot past the end", func(_ *Plan, b *Batch) { b.Seqs[0].Units[2][0] = 3 }, "unit 3 of pool 2, which has 3"},
		{"a negative slot", func(_ *Plan, b *Batch) { b.Seqs[0].Units[2][0] = -1 }, "unit -1 of pool 2"},
		{"one slot for two", func(_ *Plan, b *Batch) { b.Seqs[1].Units[2][0] = 2 }, "sequences 0 and 1 share unit 2 of pool 2"},

		{"both write a page", func(_ *Plan, b *Batch) { b.Seqs[1].Units[0][2] = 0 }, "share unit 0 of pool 0"},
		{"the second reads what the first writes", func(_ *Plan, b *Batch) { b.Seqs[1].Units[0][0] = 7 }, "share unit 7 of pool 0"},
		{"the first reads what the second writes", func(_ *Plan, b *Batch) {
			b.Pos[0], b.Pos[1], b.Pos[2] = 64, 65, 66
			b.Seqs[0].Units = [][]int32{{3, 4, 5}, {-1, 0, 7}, {2}}
		}, "share unit 3 of pool 0"},
		{"both read a prefix", func(_ *Plan, b *Batch) {
			b.Pos[0], b.Pos[1], b.Pos[2] = 64, 65, 66
			b.Seqs[0].Units = [][]int32{{1, 2, 5}, {-1, 5, 7}, {2}}
		}, ""},
		{"a prefix is read and then written by a third", func(_ *Plan, b *Batch) {
			b.Pos = append(b.Pos, 0)
			b.Pos[0], b.Pos[1], b.Pos[2] = 64, 65, 66
			b.Tokens = append(b.Tokens, 1)
			b.Seqs[0].Units = [][]int32{{1, 2, 5}, {-1, 5, 7}, {2}}
			b.Seqs = append(b.Seqs, SeqRun{1, [][]int32{{1}, {0}, {1}}})
		}, "sequences 1 and 2 share unit 1 of pool 0"},
		{"one page twice, read", func(_ *Plan, b *Batch) { b.Seqs[1].Units[0][1] = 1 }, "unit 1 of pool 0 twice"},
		{"one page twice, written", func(_ *Plan, b *Batch) { b.Seqs[0].Units[0][1] = 7 }, "unit 7 of pool 0 twice"},
		{"one page twice, read and written", func(_ *Plan, b *Batch) { b.Seqs[1].Units[0][2] = 1 }, "unit 1 of pool 0 twice"},
		{"two runs of one sequence", func(_ *Plan, b *Batch) {
			b.Pos[3] = 33
			b.Seqs[1].Units = b.Seqs[0].Units
		}, "share unit"},

		{"too many wanted", func(_ *Plan, b *Batch) { b.Want = []int32{0, 1, 2, 3} }, "4 tokens wanted from a program of 3"},
		{"none wanted", func(_ *Plan, b *Batch) { b.Want, b.How = nil, nil }, ""},
		{"wanted past the end", func(_ *Plan, b *Batch) { b.Want[1] = 4 }, "token 4 of 4"},
		{"wanted before the first", func(_ *Plan, b *Batch) { b.Want[0] = -1 }, "token -1 of 4"},
		{"wanted twice", func(_ *Plan, b *Batch) { b.Want[0] = 3 }, "token 3 is wanted after that of token 3"},
		{"wanted falling", func(_ *Plan, b *Batch) { b.Want = []int32{3, 2} }, "token 2 is wanted after that of token 3"},
		{"a way of sampling too few", func(_ *Plan, b *Batch) { b.How = b.How[:1] }, "1 ways of sampling for 2"},
		{"a way of sampling too many", func(_ *Plan, b *Batch) { b.How = append(b.How, sample.Params{}) }, "3 ways of sampling for 2"},
		{"nobody samples", func(p *Plan, b *Batch) { p.Steps, b.How = p.Steps[:2], nil }, ""},

		{"three axes", func(p *Plan, b *Batch) {
			p.Axes, b.Pos = 3, []int32{30, 7, 5, 31, 7, 4, 32, 0, 0, 95, 1 << 30, 95}
		}, ""},
		{"three axes, a token without its third", func(p *Plan, b *Batch) { p.Axes, b.Pos = 3, []int32{30, 7, 5, 31, 7} }, "5 positions are not 3 a token"},
		{"three axes, the first skips", func(p *Plan, b *Batch) {
			p.Axes, b.Pos = 3, []int32{30, 7, 5, 32, 7, 4, 33, 0, 0, 95, 1, 95}
		}, "position 32, want 31"},
		{"three axes, a second is negative", func(p *Plan, b *Batch) {
			p.Axes, b.Pos = 3, []int32{30, 7, 5, 31, -7, 4, 32, 0, 0, 95, 1, 95}
		}, "the position -7"},
		{"three axes, the last is negative", func(p *Plan, b *Batch) {
			p.Axes, b.Pos = 3, []int32{30, 7, 5, 31, 7, 4, 32, 0, 0, 95, 1, -1}
		}, "the position -1"},
		{"no axes", func(p *Plan, b *Batch) { p.Axes = 0 }, "are not 0 a token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, b := sound()
			c.change(p, b)
			err := b.Check(p, size)
			switch {
			case c.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.says != "" && err == nil:
				t.Error("accepted")
			case err != nil && !strings.Contains(err.Error(), c.says):
				t.Errorf("%q lacks %q", err, c.says)
			}
			if c.says == "" {
				if why := judge(p, b, size); why != "" {
					t.Errorf("the judge refuses: %s", why)
				}
			}
			// What was seen before does not matter.
			_, good := sound()
			good.seen = b.seen
			p, _ = sound()
			if err := good.Check(p, size); err != nil {
				t.Errorf("the sound batch afterwards: %v", err)
			}
		})
	}
}

// TestCheckAllocatesOnce: the second batch over pools of a size takes nothing.
func TestCheckAllocatesOnce(t *testing.T) {
	p, b := sound()
	if n := testing.AllocsPerRun(20, func() {
		if err := b.Check(p, Size{4, 2}); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Check allocates %v times", n)
	}
}
