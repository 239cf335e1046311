package main

import (
	"fmt"
	"testing"

	"eclat/engine"
	"eclat/loader"
)

// TestExitCodeFault: a file cut short while it is read is no bad model, even where
// opening the model failed by it.
func TestExitCodeFault(t *testing.T) {
	err := fmt.Errorf("m.gguf: %w", loader.ErrFault)
	if code := exitCode(fmt.Errorf("open: %w", err)); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}

// TestExitCodeLost: a lost device has the exit code of a missing one, wherever it was lost.
func TestExitCodeLost(t *testing.T) {
	if code := exitCode(fmt.Errorf("engine: compile for measuring: %w", engine.ErrLost)); code != exitDevice {
		t.Errorf("exit code %d, want %d", code, exitDevice)
	}
}
