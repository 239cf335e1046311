package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	tab := newTable("<name", "number")
	tab.add("é", "1")
	tab.add("longer", "1234567")
	tab.look(1, red)
	var b strings.Builder
	tab.text(&b, false)
	if want := "name     number\né             1\nlonger  1234567\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	tab.markdown(&b, false)
	if want := "| name   |  number |\n| ------ | ------: |\n| é      |       1 |\n| longer | 1234567 |\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	tab.text(&b, true)
	if want := "\x1b[1mname  \x1b[0m  \x1b[1m number\x1b[0m\né             1\nlonger  \x1b[31m1234567\x1b[0m\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestColour: on a terminal tables are coloured, unless NO_COLOR says otherwise.
func TestColour(t *testing.T) {
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("no script(1) to make a terminal with (apt-get install bsdutils)")
	}
	for env, want := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false} {
		inner := command("compare", "--device", "cpu", "--against", "cpu", "-n", "2")
		cmd := exec.Command(script, "-qec", strings.Join(inner.Args, " "), "/dev/null")
		cmd.Env = append(inner.Env, "TERM=xterm", env)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(out), "\x1b[32mPASS\x1b[0m"); got != want {
			t.Errorf("%s: coloured %v, want %v: %q", env, got, want, fmt.Sprintf("%.200s", out))
		}
	}
}
