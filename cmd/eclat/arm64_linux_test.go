package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// TestArm64: a program for another processor, whose compiler fuses multiplications and
// additions where it may, gives the same bits: a seeded text, and log-probabilities.
func TestArm64(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil && runtime.GOARCH != "arm64" {
		t.Skip("qemu-aarch64 is not installed (Debian: qemu-user)")
	}
	if testing.Short() {
		t.Skip("builds the program for arm64")
	}
	program := filepath.Join(t.TempDir(), "eclat")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0", "GOEXPERIMENT=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{
		{"run", "-n", "40", "--temp", "0.8", "--seed", "7", "-p", "Once upon a time"},
		{"run", "-n", "24", "--seed", "7", "-p", "Once upon a time", "--repeat-penalty", "1.1", "--presence-penalty", "0.1", "--dry-multiplier", "0.8", "--top-nsigma", "2",
			"--typical", "0.9", "--xtc-probability", "0.5", "--xtc-threshold", "0.05", "--dynatemp-range", "0.4", "--ignore-eos"},
		{"logprobs", "--ids", "1,2,3,4,5,6,7,8,9,10", "--top", "20"},
	} {
		for _, device := range []string{"ref", "cpu"} {
			args := append(args, "--device", device)
			want := ok(t, "", args...)
			cmd := exec.Command(program, args...)
			if qemu != "" {
				cmd = exec.Command(qemu, append([]string{program}, args...)...)
			}
			got, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v on arm64: %v", args, err)
			}
			if string(got) != want {
				t.Errorf("%v on arm64: %q, here %q", args, got, want)
			}
		}
	}
}
