package lower

import (
	"testing"

	"eclat/model"
)

// TestTableWords: room for the tables of as many sequences as there are tokens, up
// to a word for every page and sharedTables more; slots take none.
func TestTableWords(t *testing.T) {
	for _, c := range []struct {
		tokens int
		units  []int // of a pool each; below 0 slots
		want   int
	}{
		{1, []int{10}, 11},
		{8, []int{10, 4}, 8*11 + 8*5},
		{8, []int{10, -4}, 8 * 11},
		{512, []int{4000}, 4000 + sharedTables},
		{1, []int{1 << 26}, 1<<26 + 1},
		{64, nil, 0},
	} {
		p := &model.Plan{Axes: 1, Hidden: model.None}
		for _, u := range c.units {
			pool := model.Pool{Units: u}
			if u < 0 {
				pool = model.Pool{Per: model.Sequence, Units: -u}
			}
			p.Pools = append(p.Pools, pool)
		}
		if got := tableWords(p, model.Size{Tokens: c.tokens, Want: 1}); got != c.want {
			t.Errorf("%d tokens, units %v: %d words, want %d", c.tokens, c.units, got, c.want)
		}
	}
}
