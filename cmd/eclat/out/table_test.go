package out

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	tab := NewTable("<name", "number")
	tab.Add("é", "1")
	tab.Add("longer", "1234567")
	tab.Look(1, Red)
	var b strings.Builder
	tab.Text(&b, false)
	if want := "name     number\né             1\nlonger  1234567\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	tab.Markdown(&b, false)
	if want := "| name   |  number |\n| ------ | ------: |\n| é      |       1 |\n| longer | 1234567 |\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	tab.Text(&b, true)
	if want := "\x1b[1mname  \x1b[0m  \x1b[1m number\x1b[0m\né             1\nlonger  \x1b[31m1234567\x1b[0m\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
