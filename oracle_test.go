package eclat_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestGolden: the golden files are what the tools in testdata/oracle make, and those
// tools agree with plain loops over the definitions.
func TestGolden(t *testing.T) {
	python := ""
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import numpy").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("no Python 3 with numpy: golden files are not recomputed (apt-get install python3-numpy)")
	}
	out, err := exec.Command(python, "-B", "testdata/oracle/all.py", "--check", "--offline").CombinedOutput()
	if err != nil {
		t.Errorf("make golden GOLDEN=--check: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "left as they are") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
