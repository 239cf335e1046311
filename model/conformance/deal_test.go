package conformance

import (
	"fmt"
	"slices"
	"testing"
)

// TestDeal: every kind is met, whatever its size, no share is larger than it must be, and
// all shares together are everything.
func TestDeal(t *testing.T) {
	var list []string
	for _, kind := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		for i := range 1 + int(kind[0]-'a')*3 {
			list = append(list, fmt.Sprint(kind, i))
		}
	}
	kind := func(s string) string { return s[:1] }
	if got := Deal(list, kind, 3, 1); !slices.Equal(got, list) {
		t.Errorf("one in one is %v", got)
	}
	for _, n := range []int{2, 3, 8, 100} {
		all := map[string]bool{}
		for k := range n {
			of := map[string]int{}
			taken := Deal(list, kind, k, n)
			for _, s := range taken {
				of[kind(s)]++
				all[s] = true
			}
			for c, most := 'a', 0; c <= 'g'; c++ {
				most = (1 + int(c-'a')*3 + n - 1) / n
				if got := of[string(c)]; got < 1 || got > most {
					t.Errorf("share %d of %d has %d of kind %c, not 1 to %d: %v", k, n, got, c, most, taken)
				}
			}
			if !slices.IsSortedFunc(taken, func(a, b string) int { return slices.Index(list, a) - slices.Index(list, b) }) {
				t.Errorf("share %d of %d is out of order: %v", k, n, taken)
			}
		}
		if len(all) != len(list) {
			t.Errorf("the shares of %d have %d of %d", n, len(all), len(list))
		}
	}
}

// TestDealtTypes: on each driver each op meets each type, and neighbouring types not in
// one shape alone.
func TestDealtTypes(t *testing.T) {
	kind := func(c *Case) string { return c.Op + " " + c.Type }
	for k := range 3 {
		all, got := map[string]bool{}, map[string]bool{}
		for _, c := range Cases() {
			all[kind(c)] = true
		}
		dealt := Deal(Cases(), kind, k, 8)
		for _, c := range dealt {
			got[kind(c)] = true
		}
		if len(got) != len(all) || len(dealt) > len(Cases())/3 {
			t.Errorf("%d cases of %d, %d kinds of %d", len(dealt), len(Cases()), len(got), len(all))
		}
	}
}
