package manifest_test

import (
	"slices"
	"strings"
	"testing"

	"eclat/loader/manifest"
)

// TestFragmentsOf: which fragment a tensor belongs to.
func TestFragmentsOf(t *testing.T) {
	var tensors []manifest.Tensor
	for _, name := range []string{
		"blk.10.a", "token_embd.weight", "blk.2.a", "output_norm.weight", "blk.2.b", "rope_freqs.weight",
		"blk.02.a", "blk.-1.a", "blk.99999999999999999999.a", "blk", "token_embd_norm.weight", "outputs",
	} {
		tensors = append(tensors, manifest.Tensor{Name: name})
	}
	var got []string
	for _, f := range manifest.FragmentsOf(tensors) {
		got = append(got, f.Name+": "+strings.Join(f.Tensors, " "))
	}
	want := []string{
		"header: rope_freqs.weight blk.02.a blk.-1.a blk.99999999999999999999.a blk outputs",
		"embed: token_embd.weight token_embd_norm.weight",
		"layer-2: blk.2.a blk.2.b", "layer-10: blk.10.a",
		"head: token_embd.weight output_norm.weight", // tied
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCutLayer(t *testing.T) {
	for _, c := range []struct {
		name  string
		layer int
		rest  string
	}{
		{"blk.0.attn_q.weight", 0, "attn_q.weight"},
		{"blk.39.ffn_down", 39, "ffn_down"},
		{"blk.7", 7, ""},
		{"blk.1048575.x", 1<<20 - 1, "x"},
		{"blk.1048576.x", -1, "blk.1048576.x"},
		{"blk.99999999999999999999.x", -1, "blk.99999999999999999999.x"},
		{"blk.-1.x", -1, "blk.-1.x"},
		{"blk.+1.x", -1, "blk.+1.x"},
		{"blk.01.x", -1, "blk.01.x"},
		{"blk..x", -1, "blk..x"},
		{"blk", -1, "blk"},
		{"", -1, ""},
		{"xblk.1.x", -1, "xblk.1.x"},
		{"output.weight", -1, "output.weight"},
	} {
		if layer, rest := manifest.CutLayer(c.name); layer != c.layer || rest != c.rest {
			t.Errorf("%q: %d, %q; want %d, %q", c.name, layer, rest, c.layer, c.rest)
		}
	}
}
