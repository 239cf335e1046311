package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

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
