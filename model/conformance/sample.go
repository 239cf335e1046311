package conformance

import (
	"fmt"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/sample"
)

// hows are ways of choosing: greedy, and each filter.
var hows = []sample.Params{
	{}, {Temp: 1, TopK: 1}, {Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 1}, {Temp: 2, TopK: 7, Seed: 1 << 40},
	{Temp: 0.7, TopK: 64, TopP: 0.5, Seed: 3}, {Temp: 1.5, TopK: 100, MinP: 0.2, Seed: 4}, {Temp: 1, Seed: 5}, {Temp: 1, TopP: 0.3, Seed: 6},
}

// sampleTest chooses from hidden rows of vocab, taken as logits.
func sampleTest(vocab, tokens int) *test {
	c := &test{opts: sized(tokens)}
	c.weight("unused", quant.F32, 1, 1)
	c.build = func(b *model.Builder) model.ID { return b.Sample("token", b.Gather("g", b.Receive("x", vocab))) }
	return c
}

// sampling compares the chosen tokens: each way, mixed ways, at near and far positions,
// from rows that are not finite, and with rows of logits among the tokens.
func sampling() (cases []*Case) {
	for _, vocab := range []int{5, 1000, 32768} {
		c := sampleTest(vocab, 6)
		var runs []*model.Batch
		for run := range len(hows) + 1 {
			b := scaled(rowsOnly(run*1000, 6, vocab, uint64(run)), 4)
			b.Rows[vocab-1], b.Rows[vocab-2] = 50, 50 // a tie: the lower id wins
			b.Rows[vocab+1] = nan
			for i := range 6 {
				if run%2 == 1 && i == 2 {
					continue // not wanted
				}
				how := hows[(run+i)%len(hows)]
				if run < len(hows) {
					how = hows[run]
				}
				b.Want, b.How = append(b.Want, int32(i)), append(b.How, how)
			}
			runs = append(runs, b)
		}
		c.runs = fixed(runs...)
		cases = append(cases, compared("sample", fmt.Sprintf("of %d", vocab), 0, c), notFinite(vocab), withLogits(vocab))
	}
	return cases
}

// notFinite puts NaN and the infinities anywhere in a row: no token is chosen, and
// the rows beside it are none the worse.
func notFinite(vocab int) *Case {
	const rows = 6
	c := sampleTest(vocab, rows)
	c.runs = func(*model.Plan) (runs []*model.Batch) {
		for i, how := range hows {
			b := rowsOnly(i, rows, vocab, uint64(i))
			for row, bad := range []float32{nan, inf, -inf} {
				at := []int{0, vocab / 2, vocab - 1}[(row+i)%3]
				b.Rows[2*row*vocab+at] = bad
			}
			for row := range rows {
				b.Want, b.How = append(b.Want, int32(row)), append(b.How, how)
			}
			runs = append(runs, b)
		}
		b := rowsOnly(0, rows, vocab, 1)
		for i := range b.Rows { // whole rows of one thing
			b.Rows[i] = []float32{nan, 0, inf, -1e30, -inf, 3e38}[i/vocab]
		}
		for row := range rows {
			b.Want, b.How = append(b.Want, int32(row)), append(b.How, sample.Params{})
		}
		return append(runs, b)
	}
	return looked("sample", fmt.Sprintf("NaN and infinities among %d", vocab), 0, c.answers, func(_, got []answer) error {
		for run := range got {
			for row, id := range got[run].tokens {
				if (id == -1) != (row%2 == 0) {
					return fmt.Errorf("run %d: token %d from row %d, of which the even ones are not finite", run, id, row)
				}
			}
		}
		return nil
	})
}

// withLogits asks for the rows themselves of some tokens of a batch, whatever is in them.
func withLogits(vocab int) *Case {
	const rows = 6
	c := sampleTest(vocab, rows)
	var runs []*model.Batch
	for run := range 4 {
		b := rowsOnly(run, rows, vocab, uint64(run))
		b.Rows[0] = nan // a row that is asked for comes as it is
		for row := range rows {
			how := hows[(row+run)%len(hows)]
			how.Logits = run == 3 || run > 0 && (row+run)%2 == 0
			b.Want, b.How = append(b.Want, int32(row)), append(b.How, how)
		}
		runs = append(runs, b)
	}
	c.runs = fixed(runs...)
	return looked("sample", fmt.Sprintf("rows of %d logits among tokens", vocab), 0, c.answers, func(_, got []answer) error {
		for run, b := range runs {
			var asked []float32
			for row := range rows {
				if b.How[row].Logits {
					asked = append(asked, b.Rows[row*vocab:][:vocab]...)
					if id := got[run].tokens[row]; id != -1 {
						return fmt.Errorf("run %d: token %d where the row was asked for", run, id)
					}
				}
			}
			if !sameBits(asked, got[run].rows) {
				return fmt.Errorf("run %d: the rows are not those of the logits; %s", run, worst(asked, got[run].rows))
			}
		}
		return nil
	})
}
