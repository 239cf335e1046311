package vk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCacheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "file")
	if _, err := ReadCache(path, 10); err == nil {
		t.Error("a file that is not there was read")
	}
	if err := WriteCache(path, []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadCache(path, 10); err != nil || string(data) != "0123456789" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := ReadCache(path, 9); err == nil {
		t.Error("a file was read beyond the bound")
	}
	if _, err := ReadCache(filepath.Dir(path), 10); err == nil {
		t.Error("a folder was read")
	}
	os.Chmod(filepath.Dir(path), 0o555)
	defer os.Chmod(filepath.Dir(path), 0o755)
	if err := WriteCache(filepath.Join(path, "below"), nil); err == nil {
		t.Error("a file below a file was written")
	}
}
