package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/testdata"
)

// poisoned is the built-in model with NaN in the minimums of the first n blocks of
// blk.0.attn_q.weight.
func poisoned(t *testing.T, n int) string {
	t.Helper()
	data := []byte(strings.Clone(string(testdata.Model)))
	f, err := loader.FromBytes("model", data)
	if err != nil {
		t.Fatal(err)
	}
	x := f.Tensor("blk.0.attn_q.weight")
	for i := range n {
		binary.LittleEndian.PutUint16(x.Data[144*i+2:], 0x7e00)
	}
	return writeModel(t, data)
}

// TestInspectCheck: each bad block is a line that names tensor, row and block; a model
// without any is sound. A fragments folder is checked the same way.
func TestInspectCheck(t *testing.T) {
	if got := ok(t, "", "inspect", "--check"); !strings.HasPrefix(got, "sound  ") || strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
	f, err := loader.FromBytes("model", testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	x := f.Tensor("blk.0.attn_q.weight")
	perRow := x.RowBytes / 144
	for _, n := range []int{1, 20, 50} {
		model := poisoned(t, n)
		dir := filepath.Join(t.TempDir(), "fragments")
		ok(t, "", "fragment", model, "-o", dir)
		for _, path := range []string{model, dir} {
			out, errs, code := eclat(t, "", "inspect", "--check", path)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if code != 3 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, fmt.Sprintf("infinity: %d\n", n)) || len(lines) != min(n, 21) {
				t.Errorf("%d blocks: exit code %d, %d lines, %q", n, code, len(lines), errs)
				continue
			}
			for i, line := range lines[:min(n, 20)] {
				row, block := i/perRow, i%perRow
				says := fmt.Sprintf("row %d, block %d (elements %d–%d, Q4_K): its minimum is NaN", row, block, 256*block, 256*block+255)
				if !strings.Contains(line, says) || !strings.Contains(line, "blk.0.attn_q.weight") ||
					path == model && !strings.Contains(line, fmt.Sprintf("at byte %d:", x.Offset+int64(144*i))) {
					t.Errorf("%q does not say %q", line, says)
				}
			}
			if n > 20 && lines[20] != fmt.Sprintf("… and %d more", n-20) {
				t.Errorf("%q", lines[20])
			}
		}
		if n > 1 {
			continue
		}
		folder, err := loader.Open(dir) // what is left of one is checked
		if err != nil {
			t.Fatal(err)
		}
		blob := filepath.Join(dir, filepath.FromSlash(folder.Tensor("output.weight").Blob.BlobName()))
		folder.Close()
		if err := os.Remove(blob); err != nil {
			t.Fatal(err)
		}
		if out, errs, code := eclat(t, "", "inspect", "--check", dir); code != 3 || !strings.Contains(errs, "missing") || !strings.Contains(out, "attn_q") {
			t.Errorf("without %s: exit code %d, %q, %q", blob, code, out, errs)
		}
	}
	if _, _, code := eclat(t, "", "inspect", "--check", "--json"); code != 2 {
		t.Errorf("--check with --json: exit code %d", code)
	}
}
