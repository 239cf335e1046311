package peer

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/model"
	"eclat/model/backendtest"
)

// TestCrowd: a coordinator that opens streams without end, and says nothing on them or breaks
// off in the middle of a word, gets so many and then a refusal with its reason; another one is
// served meanwhile. What nobody uses ends by itself, and who only waits keeps its stage.
func TestCrowd(t *testing.T) {
	m := backendtest.Open(t, builtIn)
	synctest.Test(t, func(t *testing.T) {
		l := &lan{}
		var logged []string
		w := &Worker{Models: []*model.Model{m}, Device: cpu.Devices(1)[0], Log: func(s string) { logged = append(logged, s) }}
		a := l.join("a")
		a.Handle(Protocol, w.Serve)
		ctx := context.Background()
		d, err := Find(ctx, Device{Net: l.join("home"), Peers: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		e := openEngine(t, builtIn, engine.Options{Layers: []int{2, 4}, Peers: []model.Device{d}})
		ask := func() { // there is nothing of home's but the stage it holds
			t.Helper()
			if _, err := e.Generate(ctx, engine.Request{Tokens: e.Prompt("Fellow citizens", false), MaxTokens: 3, IgnoreEOS: true}, nil, nil); err != nil {
				t.Error(err)
			}
		}
		ask()
		synctest.Wait()
		before, _ := w.Sessions()
		crowd := l.join("crowd")
		for i := range 200 {
			s, err := crowd.Dial(ctx, "a", Protocol)
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 1 {
				go s.Write([]byte{200, 0, 0, 0, 0, 0, 0, 0, '{'})
			}
		}
		synctest.Wait()
		if n, _ := w.Sessions(); n > before+mostOfPeer {
			t.Errorf("%d sessions of one coordinator", n-before)
		}
		time.Sleep(2 * refusing) // as many as are told at a time are, others hear nothing
		if _, err := Find(ctx, Device{Net: crowd, Peers: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "sessions") || strings.Contains(err.Error(), "\n") {
			t.Errorf("one more of the crowd: %v", err)
		}
		if _, err := Find(ctx, Device{Net: l.join("another"), Peers: []string{"a"}}); err != nil {
			t.Errorf("another coordinator: %v", err)
		}
		ask()
		time.Sleep(2 * idle)
		synctest.Wait()
		if n, _ := w.Sessions(); n != before {
			t.Errorf("%d sessions, %d of them not the crowd's; %.300q", n, before, logged)
		}
		time.Sleep(24 * time.Hour)
		ask()
		e.Close()
		synctest.Wait()
		if n, bytes := w.Sessions(); n != 0 || bytes != 0 {
			t.Errorf("%d sessions with %d bytes are left", n, bytes)
		}
		a.kill()
	})
}
