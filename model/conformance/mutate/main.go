// Command mutate shows what the tests of the backends are worth: it changes one thing
// in one op of a copy of the source, runs every suite that the op's package is held
// to, and writes which test noticed. A change that a suite does not notice is an
// error, and so is a change that no longer fits the source.
//
//	go run ./model/conformance/mutate -o docs/mutations.md
//
// With -new those alone are tried that the page has no row of, and the other rows stay; so
// it may be interrupted, and goes on where it was.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// suite is a set of tests, of one test binary.
type suite struct {
	name string
	pkg  string   // of the tests
	run  string   // their names
	hold []string // packages that the tests are to notice changes of
	what kinds    // of changes
}

// kinds are kinds of changes: of what an op computes, and of what else a backend does.
type kinds uint8

const (
	ops  kinds = 1 << iota
	bits       // of an op, too small for golden values to notice
	rest
)

var suites = []suite{
	{"golden, ref", "cpu/ref", "TestGolden", []string{"cpu/ref"}, ops},
	{"golden, cpu", "cpu", "TestGolden", []string{"cpu", "cpu/kernel"}, ops},
	{"conformance, ref against itself", "cpu/ref", "TestConformance", []string{"cpu/ref"}, rest},
	{"conformance, cpu against ref", "cpu", "TestConformance", []string{"cpu", "cpu/kernel", "cpu/ref"}, ops | bits},
	{"conformance, cpu against ref", "cpu", "TestConformance", []string{"cpu"}, rest},
}

// mutation changes the one place of a file that reads old.
type mutation struct {
	op, file, what, old, new string // op is "run" or "memory" where no op is changed, "matmul, bits" where bits alone are
}

func (m *mutation) pkg() string { return filepath.ToSlash(filepath.Dir(m.file)) }

// held reports whether the suite is to notice m.
func (m *mutation) held(s *suite) bool {
	k := ops
	switch {
	case m.op == "run" || m.op == "memory":
		k = rest
	case strings.HasSuffix(m.op, ", bits"):
		k = bits
	}
	return s.what&k != 0 && slices.Contains(s.hold, m.pkg())
}

func main() {
	out := flag.String("o", "", "file to write the table to; stdout without")
	only := flag.String("only", "", "leave out mutations whose file or op does not match this expression")
	missing := flag.Bool("new", false, "leave out mutations that the file of -o has a row of, and keep the rows")
	jobs := flag.Int("jobs", 2, "mutations at a time")
	flag.Parse()
	kept := map[string]string{}
	if *missing {
		page, err := os.ReadFile(*out)
		if err != nil {
			fmt.Fprintln(os.Stderr, "mutate: -new:", err)
			os.Exit(1)
		}
		kept = rows(string(page))
	}
	table, err := mutate(*only, *jobs, kept)
	if *out == "" {
		fmt.Print(table)
	} else if table != "" {
		err = errors.Join(err, os.WriteFile(*out, []byte(table), 0o666))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// mutate tries the mutations that match an expression and are not kept, and returns the
// table of these and of those kept, with an error where one survived.
func mutate(only string, jobs int, kept map[string]string) (string, error) {
	filter, err := regexp.Compile(only)
	if err != nil {
		return "", err
	}
	var todo []*mutation
	for i := range mutations {
		if m := &mutations[i]; filter.MatchString(m.file+" "+m.op) && kept[m.key()] == "" {
			todo = append(todo, m)
		}
	}
	notes := make([][]string, len(todo)) // of each mutation, by suite
	errs := make([]error, len(todo))
	work := make(chan int)
	var wg sync.WaitGroup
	for range max(1, jobs) {
		dir, err := copyModule()
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		wg.Go(func() {
			for i := range work {
				notes[i], errs[i] = try(dir, todo[i])
				fmt.Fprintf(os.Stderr, "%d of %d: %s, %s, %s: %s\n", i+1, len(todo), todo[i].pkg(), todo[i].op, todo[i].what, strings.Join(notes[i], " | "))
			}
		})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for i := 0; i < len(todo) && ctx.Err() == nil; i++ {
		select {
		case work <- i:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
	for i, m := range todo {
		if notes[i] == nil {
			continue // interrupted before, or not built
		}
		kept[m.key()] = m.row(notes[i])
	}
	return report(kept), errors.Join(append(errs, ctx.Err())...)
}

// copyModule copies the module's Go files and test data to a temporary folder.
func copyModule() (string, error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "", err
	}
	return dir, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, path), 0o777)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), data, 0o666)
	})
}

// try changes one thing in the copy at dir and says for each suite which test noticed.
func try(dir string, m *mutation) (notes []string, err error) {
	path := filepath.Join(dir, m.file)
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s, %s: %s", m.file, m.op, m.what, fmt.Sprintf(format, args...))
	}
	if n := bytes.Count(src, []byte(m.old)); n != 1 {
		return nil, fail("%q is there %d times, not once", m.old, n)
	}
	if err := os.WriteFile(path, bytes.Replace(src, []byte(m.old), []byte(m.new), 1), 0o666); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, src, 0o666)) }()

	built := map[string]string{}
	var errs []error
	for i := range suites {
		s := &suites[i]
		if !m.held(s) {
			notes = append(notes, "–")
			continue
		}
		bin := built[s.pkg]
		if bin == "" {
			bin = filepath.Join(dir, strings.ReplaceAll(s.pkg, "/", "-")+".test")
			if out, err := command(dir, "go", "test", "-c", "-ldflags=-s -w", "-o", bin, "./"+s.pkg); err != nil {
				return nil, fail("does not build: %s", bytes.TrimSpace(out))
			}
			built[s.pkg] = bin
		}
		var (
			out []byte
			err error
		)
		op, _, _ := strings.Cut(m.op, ",")
		for _, run := range []string{"^" + s.run + "$/^" + op + "$", "^" + s.run + "$"} { // the op's own tests first
			out, err = command(filepath.Join(dir, s.pkg), bin, "-test.v", "-test.short", "-test.failfast", "-test.timeout=5m", "-test.run="+run)
			if err != nil {
				break
			}
		}
		note := noticed(string(out))
		switch {
		case err == nil:
			note = "**nobody**"
			errs = append(errs, fail("not noticed by %s", s.name))
		case note == "":
			note = "**?**"
			errs = append(errs, fail("%s: %s: %.2000s", s.name, err, out))
		}
		notes = append(notes, note)
	}
	return notes, errors.Join(errs...)
}

// command runs one command in dir, for ten minutes at most.
func command(dir, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOEXPERIMENT=", "ECLAT_CPU=plain") // the form that the mutations are of
	return c.CombinedOutput()
}

var (
	failed  = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)
	started = regexp.MustCompile(`(?m)^=== RUN +(\S+)`)
)

// noticed is the first test that failed, with its subtest, or the one that ran when
// the program crashed; "" where there is none.
func noticed(out string) string {
	best := ""
	for _, m := range failed.FindAllStringSubmatch(out, -1) {
		if best == "" || strings.HasPrefix(m[1], best+"/") {
			best = m[1]
		}
	}
	if all := started.FindAllStringSubmatch(out, -1); best == "" && len(all) > 0 && strings.Contains(out, "\npanic: ") {
		best = all[len(all)-1][1] + " (crashed)"
	}
	return best
}
