package spelling

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"llama", "llama", 0}, {"Llama", "llama", 1},
		{"kitten", "sitting", 3}, {"tekkenn", "tekken", 1}, {"flaw", "lawn", 2}, {"gemma33", "gemma3", 1},
	} {
		if d := Distance(c.a, c.b); d != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, d, c.want)
		}
	}
}
