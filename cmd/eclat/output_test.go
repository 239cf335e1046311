package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// TestOutputsSpareInputs: no flag overwrites what the command reads, under whatever
// name, and it says so before anything is computed.
func TestOutputsSpareInputs(t *testing.T) {
	file, dir, manifest := builtIn(t)
	base := t.TempDir()
	saved := filepath.Join(base, "ref.run")
	ok(t, "", "compare", file, "--device", "cpu", "-n", "4", "--save", saved)
	text, err := os.ReadFile(speech)
	if err != nil {
		t.Fatal(err)
	}
	prose := put(t, "prose.txt", string(text))
	kl := filepath.Join(base, "kl.base")
	ok(t, "", "perplexity", file, "--device", "cpu", "-f", prose, "-c", "64", "--save-base", kl)
	link, hard := filepath.Join(base, "link"), filepath.Join(base, "hard")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(file, hard); err != nil {
		t.Fatal(err)
	}
	blobs, _ := filepath.Glob(filepath.Join(dir, "blobs", "*", "*"))
	hardBlob := filepath.Join(base, "blob")
	if err := os.Link(blobs[0], hardBlob); err != nil {
		t.Fatal(err)
	}
	linkDir := filepath.Join(base, "folder")
	if err := os.Symlink(dir, linkDir); err != nil {
		t.Fatal(err)
	}
	first, second := splitModel(t)
	before := map[string][]byte{}
	for _, path := range append(blobs, file, manifest, saved, prose, kl, first, second) {
		if before[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	compare := []string{"compare", "--device", "cpu", "--against", "cpu", "-n", "4"}
	perplexity := []string{"perplexity", "--device", "cpu", "-f", prose, "-c", "64"}
	bench := []string{"bench", "--device", "cpu", "-p", "4", "-n", "0", "-r", "1"}
	for _, c := range []struct {
		command, more []string
	}{
		{compare, []string{file, "--save", file}}, {compare, []string{file, "--report", file}},
		{compare, []string{file, "--save", link}}, {compare, []string{link, "--save", file}}, {compare, []string{file, "--report", hard}},
		{compare, []string{file, "--save", filepath.Dir(file) + "/../" + filepath.Base(filepath.Dir(file)) + "/sotu.gguf"}},
		{compare[:3], []string{"--against-model", file, "--report", file}},
		{compare[:3], []string{file, "-f", prose, "--report", prose}}, {compare[:3], []string{file, "-f", prose, "--save", prose}},
		{compare[:3], []string{file, "--against-run", saved, "--save", saved}}, {compare[:3], []string{file, "--against-run", saved, "--report", saved}},
		{compare, []string{dir, "--save", manifest}}, {compare, []string{manifest, "--report", manifest}},
		{compare, []string{dir, "--save", blobs[3]}}, {compare, []string{linkDir, "--report", blobs[3]}},
		{compare, []string{dir, "--save", hardBlob}}, {compare, []string{manifest, "--save", blobs[0]}},
		{compare, []string{dir, "--save", filepath.Join(filepath.Dir(blobs[0]), "new")}}, {compare, []string{dir, "--save", dir}},
		{compare, []string{first, "--save", second}}, {compare, []string{second, "--report", first}},
		{compare, []string{file, "--save", filepath.Join(base, "x"), "--report", base + "/./x"}},
		{perplexity, []string{file, "--save-base", file}}, {perplexity, []string{file, "--save-base", prose}},
		{perplexity, []string{file, "--save-base", kl, "--kl-base", kl}}, {perplexity, []string{dir, "--save-base", manifest}},
		{bench, []string{file, "--report", file}}, {bench, []string{dir, "--report", blobs[0]}}, {bench, []string{first, "--report", second}},
		{bench, []string{file, "--report", "/dev/null"}}, {bench, []string{file, "--report", base}},
	} {
		args := append(c.command[:len(c.command):len(c.command)], c.more...)
		out, errs, code := eclat(t, "", args...)
		if code != 2 || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, out, errs)
		}
	}
	// A redirected stdin is read too.
	if out, errs, code := fromFile(t, prose, append([]string{"perplexity", file, "--device", "cpu", "-f", "-", "-c", "64"}, "--save-base", prose)...); code != 2 || out != "" || !strings.Contains(errs, "overwrite stdin") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	for path, want := range before {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what it was (%v)", path, err)
		}
	}
	// What no command reads may be written over.
	for _, path := range []string{saved, filepath.Join(dir, "new.run")} {
		ok(t, "", append(compare[:len(compare):len(compare)], file, "--save", path)...)
	}
	if _, errs, code := eclat(t, "", append(bench, "--report", filepath.Join(base, "no", "such.html"))...); code != 1 || !strings.Contains(errs, "no such folder") {
		t.Errorf("exit code %d, %q", code, errs)
	}
}

// answers are commands of every kind with an answer on stdout.
func answers(t *testing.T) [][]string {
	file, dir, _ := builtIn(t)
	text := put(t, "text.txt", strings.Repeat("The people of the United States. ", 20))
	return [][]string{
		{"run", "-n", "4", "--device", "cpu"}, {"inspect"}, {"inspect", "--json"}, {"tokenize", "-f", text}, {"logprobs", "--ids", "1,2", "--device", "cpu"},
		{"tokenize", "--jsonl", "-f", put(t, "lines", "\"a\"\n\"b\"\n")},
		{"bench", "--device", "cpu", "-p", "4", "-n", "0", "-r", "1"}, {"bench", "--device", "cpu", "-p", "4", "-n", "0", "-r", "1", "-o", "csv"},
		{"bench", "--device", "cpu", "-p", "4", "-n", "0", "-r", "1", "-o", "json"}, {"bench", "--device", "cpu", "-p", "4", "-n", "0", "-r", "1", "-o", "jsonl"},
		{"compare", "--device", "cpu", "--against", "cpu", "-n", "2"}, {"compare", "--device", "cpu", "--against", "cpu", "-n", "2", "--json"},
		{"perplexity", "-f", text, "-c", "16", "--device", "cpu"}, {"perplexity", "-f", text, "-c", "16", "--device", "cpu", "--json"},
		{"devices", "--quick"}, {"devices", "--quick", "--json"},
		{"fragment", file, "-o", filepath.Join(t.TempDir(), "new")}, {"verify", dir}, {"assemble", dir, "-o", filepath.Join(t.TempDir(), "new.gguf")},
		{"version"}, {"--version"}, {"--help"}, {}, {"help"}, {"help", "run"}, {"run", "--help"}, {"completion", "bash"}, {"completion", "zsh"}, {"completion"},
	}
}

// TestFullDisk: an answer that could not be written is no success, whichever
// command gave it.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no full disk to write to:", err)
	}
	defer full.Close()
	for _, args := range answers(t) {
		cmd := command(args...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &errs
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasSuffix("\n"+errs.String(), "\neclat: write the output: no space left on device\n") {
			t.Errorf("%v: exit code %d, stderr %q", args, code, errs.String())
		}
	}
}

// TestNoStdout: a stdout that was closed before the program began takes no answer,
// as a full disk takes none. What says nothing there needs none.
func TestNoStdout(t *testing.T) {
	sh, err := exec.LookPath("sh")
	info, ok := debug.ReadBuildInfo()
	if err != nil || !ok || !slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"}) {
		t.Skip("no shell to close stdout, or built without cgo: nothing is known of it then")
	}
	without := func(args ...string) (stderr string, code int) {
		inner := command(args...)
		cmd := exec.Command(sh, append([]string{"-c", `exec "$@" >&-`, "sh"}, inner.Args...)...)
		var errs bytes.Buffer
		cmd.Env, cmd.Stderr = inner.Env, &errs
		cmd.Run()
		return errs.String(), cmd.ProcessState.ExitCode()
	}
	for _, args := range [][]string{{"run", "-n", "4", "--device", "cpu"}, {"inspect"}, {"inspect", "--json"}, {"devices", "--quick"}, {"version"}, {}, {"completion", "bash"}} {
		if errs, code := without(args...); code != 1 || !strings.HasSuffix("\n"+errs, "\neclat: write the output: bad file descriptor\n") {
			t.Errorf("%v: exit code %d, stderr %q", args, code, errs)
		}
	}
	if errs, code := without("run", "-n", "0", "--device", "cpu"); code != 0 {
		t.Errorf("without an answer: exit code %d, stderr %q", code, errs)
	}
}

// TestClosedPipe: a reader that goes away ends a command as it ends every other
// program, by SIGPIPE and without a word.
func TestClosedPipe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGPIPE")
	}
	lines := put(t, "lines", strings.Repeat("\"The people of the United States\"\n", 40000)) // more than a pipe holds
	for _, c := range []struct {
		says string
		args []string
	}{
		{"", []string{"tokenize", "--jsonl", "-f", lines}}, {"", []string{"version"}}, {"", []string{"help", "run"}}, {"", []string{"inspect"}},
		{"on cpu", []string{"run", "--device", "cpu"}},
	} {
		cmd := command(c.args...)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &errs
		cmd.Run()
		w.Close()
		if state := cmd.ProcessState.String(); state != "signal: broken pipe" {
			t.Errorf("%v: %s", c.args, state)
		}
		if got := errs.String(); c.says == "" && got != "" || !strings.Contains(got, c.says) || strings.Contains(got, "eclat: ") {
			t.Errorf("%v: stderr %q", c.args, got)
		}
	}
}

// TestOneWriter: nothing but main and out touches the program's own files, so that
// no answer goes past the one writer and no message past the escaping.
func TestOneWriter(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, bad := range []string{"fmt.Print", "fmt.Fprint", "os.Stdout", "os.Stderr", "println("} {
				allowed := line == "var stdout = out.NewWriter(os.Stdout)" || line == "\troot.SetErr(os.Stderr)"
				if strings.Contains(line, bad) && !allowed {
					t.Errorf("%s:%d: %s", name, i+1, strings.TrimSpace(line))
				}
			}
		}
	}
}

// splitModel is a model in two files; it can be opened, and no more.
func splitModel(t *testing.T) (first, second string) {
	t.Helper()
	f := ggufwrite.File{}
	f.Set("general.architecture", "llama")
	f.Add("a.weight", quant.F32, []int{4, 4}, make([]float32, 16))
	f.Add("b.weight", quant.F32, []int{4, 4}, make([]float32, 16))
	paths, err := f.WriteSplit(filepath.Join(t.TempDir(), "split"), 2)
	if err != nil {
		t.Fatal(err)
	}
	return paths[0], paths[1]
}
