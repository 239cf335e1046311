package backendtest

import "testing"

func TestShare(t *testing.T) {
	for _, c := range []struct {
		text  string
		k, n  int
		right bool
	}{
		{"", 0, 1, true}, {"0/1", 0, 1, true}, {"1/4", 1, 4, true}, {"7/8", 7, 8, true},
		{"4/4", 0, 1, false}, {"-1/4", 0, 1, false}, {"1", 0, 1, false}, {"1/4x", 0, 1, false}, {"1/0", 0, 1, false}, {" 1/4", 0, 1, false}, {"01/4", 0, 1, false}, {"a/b", 0, 1, false},
	} {
		if k, n, err := share(c.text); k != c.k || n != c.n || (err == nil) != c.right {
			t.Errorf("%q: %d of %d, %v", c.text, k, n, err)
		}
	}
}

// TestDeal: what a share leaves out is said by a skipped test.
func TestDeal(t *testing.T) {
	list := []int{0, 1, 2, 3, 4, 5}
	t.Setenv(Share, "1/2")
	if got := Deal(t, list, func(i int) string { return "" }); len(got) != 3 || got[0] != 1 {
		t.Errorf("share 1 of 2 is %v", got)
	}
	t.Setenv(Share, "")
	if got := Deal(t, list, func(i int) string { return "" }); len(got) != 6 {
		t.Errorf("everything is %v", got)
	}
}
