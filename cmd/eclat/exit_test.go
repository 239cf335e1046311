package main

import (
	"fmt"
	"testing"

	"eclat/loader"
)

// TestExitCodeFault: a file cut short while it is read is no bad model, even where
// opening the model failed by it.
func TestExitCodeFault(t *testing.T) {
	err := fmt.Errorf("m.gguf: %w", loader.ErrFault)
	if code := exitCode(modelError{err}); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}
