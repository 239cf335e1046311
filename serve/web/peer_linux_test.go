package web

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPeerPage: a model lies on this machine and on another one, a process that lends its
// processor. The page says what lies where, how long the other takes for a token, what it was
// asked before it computes, and that it is here; once it has ended, that this machine has it all.
func TestPeerPage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program: left out with -short")
	}
	ctx := chromium(t)
	program := filepath.Join(t.TempDir(), "eclat")
	if out, err := exec.Command("go", "build", "-o", program, "eclat/cmd/eclat").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	home, away := t.TempDir(), t.TempDir()
	begin := func(dir string, args ...string) (cmd *exec.Cmd, out, errs *bufio.Scanner) {
		t.Helper()
		cmd = exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "ECLAT_PEER_DIR="+dir)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd, bufio.NewScanner(stdout), bufio.NewScanner(stderr)
	}
	id := exec.Command(program, "peer", "id")
	id.Env = append(os.Environ(), "ECLAT_PEER_DIR="+home)
	name, err := id.Output()
	if err != nil {
		t.Fatal(err)
	}
	worker, address, said := begin(away, "peer", "serve", "--device", "cpu", "-t", "1", "--listen", "127.0.0.1:0", "--mdns=false", "--allow", string(bytes.TrimSpace(name)))
	if !address.Scan() {
		t.Fatal("the other machine says nothing")
	}
	drain(said)
	_, _, lines := begin(home, "serve", "--port", "0", "--device", "cpu", "-t", "1", "--template", "chatml", "--peers", strings.TrimSpace(address.Text()), "--layers", "2,4")
	url, all := "", ""
	for url == "" && lines.Scan() {
		all += lines.Text() + "\n"
		if _, at, ok := strings.Cut(lines.Text(), "listening on "); ok {
			url = at
		}
	}
	if url == "" {
		t.Fatalf("the server does not listen: %s", all)
	}
	drain(lines)

	p := &page{T: t, url: url}
	p.tab(ctx)
	p.visit("/")
	p.begin(`{"max_tokens": 24, "seed": 7}`)
	p.say("My fellow citizens")
	p.ended(2)
	p.visit("/#/models")
	p.wait(`document.querySelector(".strip") && [...document.querySelectorAll("h2")].some((h) => h.innerText === "Other machines")`)
	p.settle()
	row := eval[string](p, `[...document.querySelectorAll("h2")].find((h) => h.innerText === "Other machines").closest("section").querySelector("tbody").innerText`)
	for _, want := range []string{"peer:", "Here", "\t4\t", "ms", "same definition of numbers"} {
		p.has(row, want)
	}
	lies := eval[string](p, `document.querySelector(".strip").getAttribute("aria-label")`)
	for _, want := range []string{"cpu; ", "peer:"} {
		p.has(lies, want)
	}
	if cells := eval[int](p, `new Set([...document.querySelectorAll(".strip .cell")].map((c) => c.className)).size`); cells != 2 {
		t.Errorf("the layers have %d colours", cells)
	}
	if dir := os.Getenv("ECLAT_SHOTS"); dir != "" {
		shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		p.check(err)
		p.check(os.WriteFile(filepath.Join(dir, "real-peer.png"), shot, 0o644))
	}
	p.axe()
	t.Logf("%s; %s", strings.ReplaceAll(row, "\t", " | "), lies)

	p.mu.Lock()
	p.asked = append(p.asked, "503") // what is asked while it is lost
	p.mu.Unlock()
	worker.Process.Signal(syscall.SIGKILL)
	// Who looks sees it, before anything is computed.
	p.visit("/#/")
	p.visit("/#/models")
	p.wait(`[...document.querySelectorAll("h2")].find((h) => h.innerText === "Other machines")?.closest("section").querySelector("tbody")?.innerText.includes("Lost")`)
	p.axe()
	// This machine holds all layers and takes those of the lost one: the next answer is whole.
	p.visit("/#/")
	p.fresh()
	p.say("And now?")
	p.ended(2)
	p.visit("/#/models")
	p.wait(`document.body.innerText.includes("cpu: embedding to head") && [...document.querySelectorAll("h2")].every((h) => h.innerText !== "Other machines")`)
}

// drain reads on, so that who writes is not held up.
func drain(s *bufio.Scanner) {
	go func() {
		for s.Scan() {
			io.Discard.Write(s.Bytes())
		}
	}()
}
