package terminal

import "testing"

// TestFlow: lines break between words, whatever the pieces are that a text comes in.
func TestFlow(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"The people of the United States have", "The people\nof the\nUnited\nStates have"},
		{"twelve chars", "twelve chars"},
		{"twelve charsx", "twelve\ncharsx"},
		{"a very-long-word-indeed that", "a\nvery-long-wo\nrd-indeed\nthat"},
		{"very-long-word-indeed", "very-long-wo\nrd-indeed"},
		{"one\n\n  two\tthree", "one\n\n  two\nthree"},
		{"你好吗，朋友们，今天", "你好吗，朋友\n们，今天"},
		{"ab 你好吗朋友们 cd", "ab 你好吗朋\n友们 cd"},
		{"```go\nfunc main() { x }\n```\nand so on again", "```go\nfunc main()\n{ x }\n```\nand so on\nagain"},
		{"twelve chars and more", "twelve chars\nand more"},
	} {
		for n := 1; n < len(c.text); n++ {
			s := newScreen(12, 12)
			f := Flow{Columns: func() int { return 12 }}
			for rest := []rune(c.text); len(rest) > 0; {
				piece := rest[:min(n, len(rest))]
				rest = rest[len(piece):]
				s.Write([]byte(f.Add(string(piece))))
			}
			if got := s.text(); got != c.want {
				t.Errorf("%q in pieces of %d shows\n%s\nwant\n%s", c.text, n, got, c.want)
			}
			if len(s.unknown) > 0 {
				t.Errorf("%q", s.unknown)
			}
		}
	}
}
