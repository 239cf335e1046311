package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestServe: the command serves what it is given, says where, keeps records, and ends well
// when it is interrupted, with the answer on its way.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	model, err := os.ReadFile("../../testdata/sotu-8m-q4_k_m.gguf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "small.gguf"), model, 0o644); err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(dir, "keys.txt")
	if err := os.WriteFile(keys, []byte("# mine\nsecret-one\n\nsecret-two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "records")
	cmd := command("serve", "--models", dir, "--port", "0", "--device", "cpu", "--template", "chatml", "--api-key-file", keys, "--record", record, "--parallel", "2")
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(errs)
	url := ""
	for url == "" && lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "listening on "); ok {
			url = at
		}
	}
	rest := make(chan string)
	go func() {
		all := ""
		for lines.Scan() {
			all += lines.Text() + "\n"
		}
		rest <- all
	}()
	for path, want := range map[string]string{"/": "<title>eclat</title>", "/api/status": `"id":"cpu"`} { // the page, and what it asks of this machine
		req, err := http.NewRequest("GET", url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer secret-one")
		page, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(page.Body)
		page.Body.Close()
		if err != nil || page.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d, %v: %.500s", path, page.StatusCode, err, body)
		}
	}
	req, err := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(`{"model":"small","messages":[{"role":"user","content":"Speak."}],"max_tokens":40,"stream":true,"ignore_eos":true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer secret-two")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 16)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Errorf("%v: %s", err, body)
	}
	log := <-rest
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, log)
	}
	for _, want := range []string{"small is loaded", "path=/v1/chat/completions status=200", "model=small", "generated=40"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(record, "*.json")); len(files) != 1 {
		t.Errorf("records: %q", files)
	}
}

// serving starts the server, and returns where it listens and, once it has ended, what it
// said.
func serving(t *testing.T, args ...string) (cmd *exec.Cmd, url string, log func() string) {
	t.Helper()
	cmd = command(append([]string{"serve", "--port", "0", "--device", "cpu"}, args...)...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(errs)
	for url == "" && lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "listening on "); ok {
			url = at
		}
	}
	rest := make(chan string, 1)
	go func() {
		all := ""
		for lines.Scan() {
			all += lines.Text() + "\n"
		}
		rest <- all
	}()
	return cmd, url, func() string {
		all := <-rest
		rest <- all
		return all
	}
}

// ask posts to the server and returns all that came, and how it ended.
func ask(url, body string) (string, error) {
	res, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = errors.New(res.Status)
	}
	return string(b), err
}

// tokensOf is what an answer's choices are, and how many tokens of its prompt were found.
func tokensOf(t *testing.T, body string) (choices string, cached int) {
	t.Helper()
	var a struct {
		Choices json.RawMessage
		Usage   struct {
			Details struct {
				Cached int `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		}
	}
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Errorf("%v: %s", err, body)
	}
	return string(a.Choices), a.Usage.Details.Cached
}

// TestServeKilled: a server is killed while it answers and keeps what it has computed. Its
// clients see that their answers were cut off, never a part as if it were the whole; what
// lies in the folder of sessions is whole, and the next server finds it and gives the same
// ids and sums as one without. An orderly end keeps all.
func TestServeKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	long := strings.Repeat("The people of the United States know it. ", 20)
	body := func(i int, stream bool) string {
		return fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"max_tokens":24,"seed":%d,"proof":true,"return_tokens":true,"ignore_eos":true,"stream":%v}`, fmt.Sprint(i, long), i, stream)
	}
	_, url, _ := serving(t)
	var want []string
	for i := range 4 {
		text, err := ask(url, body(i, false))
		if err != nil {
			t.Fatal(err)
		}
		choices, _ := tokensOf(t, text)
		want = append(want, choices)
	}
	for round := range 3 {
		cmd, url, log := serving(t, "--sessions", dir)
		ctx, stop := context.WithCancel(context.Background())
		var all sync.WaitGroup
		cut := 0
		var mu sync.Mutex
		for i := range 8 {
			all.Go(func() {
				for n := i; ctx.Err() == nil; n++ {
					stream := n%2 == 0
					text, err := ask(url, body(n%4, stream))
					whole := strings.HasSuffix(text, "data: [DONE]\n\n") || !stream && json.Valid([]byte(text))
					if err == nil && !whole {
						t.Errorf("a part of an answer is taken for the whole: %s", text)
					}
					if err == nil && !stream {
						if choices, _ := tokensOf(t, text); choices != want[n%4] {
							t.Errorf("%s, want %s", choices, want[n%4])
						}
					}
					if err != nil {
						mu.Lock()
						cut++
						mu.Unlock()
						return
					}
				}
			})
		}
		for range 6000 { // some pages are kept, and more are being written
			if files, _ := filepath.Glob(filepath.Join(dir, "*.page")); len(files) >= min(20, 8*(round+1)) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		cmd.Process.Kill()
		cmd.Wait()
		all.Wait()
		stop()
		if cut != 8 {
			t.Errorf("%d of 8 clients were cut off", cut)
		}
		if strings.Contains(log(), "not used") {
			t.Errorf("it refuses what it has written: %s", log())
		}
	}
	for round := range 2 {
		cmd, url, log := serving(t, "--sessions", dir)
		found := 0
		for i := range want {
			text, err := ask(url, body(i, false))
			if err != nil {
				t.Fatal(err)
			}
			choices, cached := tokensOf(t, text)
			if found += cached; choices != want[i] {
				t.Errorf("after the restart %s, want %s", choices, want[i])
			}
		}
		cmd.Process.Signal(syscall.SIGTERM)
		said := log()
		if err := cmd.Wait(); err != nil || strings.Contains(said, "not used") || !strings.Contains(said, "pages of prompts were found") || found < 100 {
			t.Errorf("round %d: %v, %d tokens found: %s", round, err, found, said)
		}
		t.Logf("%d tokens of 4 prompts found", found)
	}
}

// TestServeUsage: what would serve more than is meant is refused before anything is opened.
func TestServeUsage(t *testing.T) {
	for _, c := range []struct {
		says string
		args []string
	}{
		{"give an --api-key, or --insecure", []string{"--host", "0.0.0.0"}},
		{"--port 70000", []string{"--port", "70000"}},
		{"8 to 1024", []string{"--api-key", "short"}},
		{"is no origin", []string{"--cors", "example.org"}},
		{"is no origin", []string{"--cors", "https://example.org/x"}},
		{"--parallel 0", []string{"--parallel", "0"}},
		{"--max-models -1", []string{"--max-models", "-1"}},
		{"--sessions-size 0", []string{"--sessions-size", "0"}},
		{"--sessions is empty", []string{"--sessions", ""}},
		{"--record is empty", []string{"--record", ""}},
	} {
		out, errs, code := eclat(t, "", append([]string{"serve"}, c.args...)...)
		if code != 2 || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit code %d, %q, which must say %q", c.args, code, errs, c.says)
		}
	}
	if _, errs, code := eclat(t, "", "serve", "/no/such/model.gguf"); code != 1 || !strings.Contains(errs, "/no/such/model.gguf") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
