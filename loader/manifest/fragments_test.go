package manifest_test

import (
	"eclat/loader/manifest"
	"slices"
	"strings"
	"testing"
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
