package sample

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// TestArm64 runs TestBits for a processor whose compiler fuses.
func TestArm64(t *testing.T) {
	if runtime.GOARCH == "arm64" {
		t.Skip("TestBits itself runs on arm64 here")
	}
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		t.Skip("qemu-aarch64 is not installed (Debian: qemu-user)")
	}
	if testing.Short() {
		t.Skip("builds the tests for arm64")
	}
	cmd := exec.Command("go", "test", "-exec", qemu, "-run", "^TestBits$", ".")
	cmd.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0", "GOEXPERIMENT=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
