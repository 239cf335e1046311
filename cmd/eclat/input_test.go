package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// put writes a file into a folder of the test's own and returns its path.
func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// fromFile is eclat with a file as stdin.
func fromFile(t *testing.T, path string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := command(args...)
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, &out, &errs
	cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// TestLongTexts: every reader refuses what is longer than it reads, and cuts
// nothing.
func TestLongTexts(t *testing.T) {
	long := put(t, "long.txt", "1 2 3 ")
	if err := os.Truncate(long, maxText+1); err != nil { // zeros that take no space
		t.Fatal(err)
	}
	for _, c := range []struct {
		stdin bool
		args  []string
	}{
		{false, []string{"run", "-f", long}}, {true, []string{"run"}}, {true, []string{"run", "-f", "-"}},
		{false, []string{"logprobs", "--ids-file", long}}, {true, []string{"logprobs", "--ids-file", "-"}},
		{false, []string{"perplexity", "-f", long}}, {true, []string{"perplexity", "-f", "-"}},
		{false, []string{"compare", "-f", long}}, {true, []string{"compare", "-f", "-"}},
		{false, []string{"tokenize", "-f", long}}, {true, []string{"tokenize"}},
		{false, []string{"tokenize", "--jsonl", "-f", long}}, {true, []string{"tokenize", "--jsonl"}},
	} {
		name, in := long, os.DevNull
		if c.stdin {
			name, in = "stdin", long
		}
		out, errs, code := fromFile(t, in, c.args...)
		if code != 1 || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "eclat: "+name) || !strings.Contains(errs, "is longer than 64 MiB") {
			t.Errorf("%v: exit code %d, stdout %.80q, stderr %q", c.args, code, out, errs)
		}
	}
}

// TestFileDash: where a flag names a text, - is stdin.
func TestFileDash(t *testing.T) {
	const text = "The people of the United States"
	file := put(t, "text.txt", text)
	for _, args := range [][]string{
		{"run", "--temp", "0", "-n", "8", "--device", "cpu", "-f"},
		{"tokenize", "-f"},
		{"compare", "--device", "cpu", "--against", "cpu", "--json", "-f"},
		{"perplexity", "-c", "4", "--device", "cpu", "-f"},
		{"logprobs", "--device", "cpu", "--top", "2", "--ids-file"},
	} {
		path, stdin := file, text
		if args[0] == "logprobs" {
			path, stdin = put(t, "ids", "1,2,3"), "1,2,3"
		}
		want := ok(t, "", append(args[:len(args):len(args)], path)...)
		if got := ok(t, stdin, append(args[:len(args):len(args)], "-")...); got != want || got == "" {
			t.Errorf("%v: %q from stdin, %q from a file", args, got, want)
		}
	}
	for _, args := range [][]string{{"perplexity", "-f", "-"}, {"compare", "-f", "-"}} {
		if _, errs, code := fromFile(t, os.DevNull, args...); code != 1 || errs != "eclat: stdin is empty\n" {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
	}
}

// TestTokenizeBadLine: what came before a bad line is answered, and the line named.
func TestTokenizeBadLine(t *testing.T) {
	for _, bad := range []string{"b", `{"a":1}`, "null", `"open`, "7", "\"\xff", "\x1b[2J"} {
		out, errs, code := eclat(t, "\"a\"\n\n\"a\"\n"+bad+"\n\"a\"\n", "tokenize", "--jsonl")
		lines := strings.Split(out, "\n")
		if len(lines) != 3 || lines[0] == "" || lines[0] != lines[1] || code != 1 ||
			!strings.HasPrefix(errs, "eclat: stdin, line 4 is not a JSON string") || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "\x1b") {
			t.Errorf("%q: exit code %d, %q, %q", bad, code, out, errs)
		}
	}
	if out := ok(t, "\"a\"\r\n\"b\"", "tokenize", "--jsonl"); strings.Count(out, "\n") != 2 {
		t.Errorf("CRLF, and a last line without an end: %q", out)
	}
}

// TestMissingAndBad: a file that is not there is 1, one that is no model is 3; both
// are one line that names it, without the system call that met it.
func TestMissingAndBad(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	text := put(t, "text.txt", "no model at all")
	id := strings.Repeat("0", 64)
	emptyDir := t.TempDir()
	_, cut, _ := builtIn(t)
	if err := os.RemoveAll(filepath.Join(cut, "blobs")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"run", none}, 1, none + ": no such file"}, {[]string{"run", none + ".gguf"}, 1, none + ".gguf: no such file"},
		{[]string{"inspect", none + "/."}, 1, none + ": no such file"}, {[]string{"tokenize", none}, 1, none + ": "},
		{[]string{"bench", none}, 1, none + ": "}, {[]string{"doctor", none, "--device", "cpu"}, 1, none + ": "},
		{[]string{"compare", none}, 1, none + ": "}, {[]string{"compare", "--against-model", none, "--device", "cpu"}, 1, none + ": "},
		{[]string{"perplexity", none, "-f", text}, 1, none + ": "}, {[]string{"logprobs", none, "--ids", "1"}, 1, none + ": "},
		{[]string{"fragment", none, "-o", dir}, 1, none + ": "}, {[]string{"assemble", none, "-o", dir + "/x"}, 1, none + ": "},
		{[]string{"verify", none}, 1, none + ": "}, {[]string{"verify", none + "." + id + ".json"}, 1, "json: no such file"},
		{[]string{"run", none + "." + id + ".json"}, 1, "json: no such file"},
		{[]string{"run", "-f", none}, 1, none + ": "}, {[]string{"run", "-f", dir}, 1, dir + ": is a directory"},
		{[]string{"logprobs", "--ids-file", none}, 1, none + ": "}, {[]string{"tokenize", "-f", none}, 1, none + ": "},
		{[]string{"tokenize", "--jsonl", "-f", none}, 1, none + ": "}, {[]string{"tokenize", "--jsonl", "-f", dir}, 1, "line 1: is a directory"},
		{[]string{"perplexity", "-f", none}, 1, none + ": "}, {[]string{"perplexity", "-f", text, "--kl-base", none}, 1, none + ": "},
		{[]string{"compare", "-f", none}, 1, none + ": "}, {[]string{"compare", "--against-run", none}, 1, none + ": "},

		{[]string{"run", text}, 3, text}, {[]string{"doctor", text, "--device", "cpu"}, 3, text},
		{[]string{"run", emptyDir + "/."}, 3, emptyDir}, {[]string{"verify", emptyDir + "/"}, 3, emptyDir},
		{[]string{"inspect", emptyDir}, 3, emptyDir}, {[]string{"run", "/dev/null"}, 3, "not a regular file"},
		{[]string{"run", cut + "/."}, 3, cut + ": fragments: missing"}, {[]string{"assemble", cut + "/.", "-o", none}, 3, "missing or damaged"},
	} {
		out, errs, code := eclat(t, "", c.args...)
		last := strings.Split(strings.TrimSpace(errs), "\n")
		line := last[len(last)-1]
		if code != c.code || out != "" || !strings.Contains(line, c.says) {
			t.Errorf("%v: exit code %d, want %d; stdout %q, stderr %q, which must say %q", c.args, code, c.code, out, errs, c.says)
		}
		for _, internal := range []string{"open /", "stat /", "/.:", "/. "} {
			if strings.Contains(line, internal) {
				t.Errorf("%v: %q says %q", c.args, line, internal)
			}
		}
	}
}

// TestLockedFolder: a folder that another program writes to is called by its name.
func TestLockedFolder(t *testing.T) {
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Skip("no flock(1) to lock a folder with (apt-get install util-linux)")
	}
	_, dir, _ := builtIn(t)
	inner := command("fragment", "-o", dir)
	cmd := exec.Command(flock, append([]string{"--close", dir}, inner.Args...)...)
	cmd.Env = inner.Env
	text, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.HasPrefix(string(text), "eclat: "+dir+": ") {
		t.Errorf("exit code %d, %q", code, text)
	}
}
