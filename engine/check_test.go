package engine

import (
	"context"
	"errors"
	"strings"
	"testing"

	"eclat/model"
)

// TestLostInCheck: a device that goes while its kernels are asked, and does not come back,
// is a lost device, said in one line: of an answer as of a probe.
func TestLostInCheck(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // nothing has been asked yet
	armed := false
	e := open(t, builtIn, Options{Device: gpuName(t), Context: 64, fault: func(call, _ string) error {
		if call == "submit" && armed {
			return model.ErrLost
		}
		return nil
	}})
	lost := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrLost) || errors.Is(err, ErrDevice) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %v", what, err, ErrLost)
		}
	}
	e.do(context.Background(), func() error { armed = true; return nil })
	_, err := e.NewProbe(context.Background(), ProbeOptions{Tokens: 4, Trace: true})
	lost("a probe", err)
	_, err = e.Generate(context.Background(), Request{Tokens: []int32{1, 2}, MaxTokens: 8, IgnoreEOS: true}, nil, nil)
	lost("an answer", err)
}
