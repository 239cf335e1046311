package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoCache: without a place for compiled kernels, and with one that cannot be
// written, every device works; one line says so at most. (gpu has a test of closing
// a device, which is what doctor does.)
func TestNoCache(t *testing.T) {
	file := put(t, "file", "")
	taken := t.TempDir()
	if err := os.WriteFile(filepath.Join(taken, "eclat"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, place := range map[string][]string{
		"nowhere": {"HOME=", "XDG_CACHE_HOME=", "LocalAppData="}, "a file": {"HOME=" + file, "XDG_CACHE_HOME=" + file, "LocalAppData=" + file},
		"taken": {"HOME=" + taken, "XDG_CACHE_HOME=" + taken, "LocalAppData=" + taken},
	} {
		for _, args := range [][]string{{"devices", "--quick"}, {"run", "-n", "2", "--device", deviceList(t)[0].Name}} {
			cmd := command(args...)
			cmd.Env = append(cmd.Env, place...)
			cmd.Dir = t.TempDir()
			var errs strings.Builder
			cmd.Stderr = &errs
			err := cmd.Run()
			if n := strings.Count(errs.String(), "not kept"); err != nil || n > 1 || strings.Contains("\n"+errs.String(), "\neclat: ") {
				t.Errorf("%s, %v: %v, told %d times; stderr %q", name, args, err, n, errs.String())
			}
		}
	}
}
