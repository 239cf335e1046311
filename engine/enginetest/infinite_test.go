package enginetest

import (
	"testing"

	"eclat/loader"
	"eclat/model/arch"
	"eclat/model/tokenizer"
)

// TestInfinite: nothing but running the model tells what is wrong with it.
func TestInfinite(t *testing.T) {
	f, err := loader.FromBytes("infinite", Infinite())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arch.Open(f); err != nil {
		t.Error(err)
	}
	tok, err := tokenizer.New(f)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Encode(nil, "a fog", false); len(ids) != 5 {
		t.Errorf("%v, want a token a letter", ids)
	}
}
