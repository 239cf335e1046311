package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
