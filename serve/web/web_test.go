package web

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// get asks a handler for a path with headers, given as name, value pairs.
func get(t *testing.T, method, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

// body reads an answer whole.
func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFiles: every embedded file is served whole, plain and packed, with the headers that
// keep foreign script out, and is not sent again to who has it.
func TestFiles(t *testing.T) {
	n := 0
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		want, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		plain := get(t, "GET", "/"+name)
		if got := body(t, plain); plain.StatusCode != 200 || string(got) != string(want) {
			t.Errorf("%s: status %d, %d bytes, want %d", name, plain.StatusCode, len(got), len(want))
		}
		for header, want := range map[string]string{"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"} {
			if got := plain.Header.Get(header); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q, want %q in it", name, header, got, want)
			}
		}
		tag := plain.Header.Get("ETag")
		if again := get(t, "GET", "/"+name, "If-None-Match", tag); again.StatusCode != 304 || len(body(t, again)) != 0 {
			t.Errorf("%s: status %d to who has it, want 304", name, again.StatusCode)
		}
		packed := get(t, "GET", "/"+name, "Accept-Encoding", "br, gzip")
		if packed.Header.Get("Content-Encoding") != "gzip" {
			return nil
		}
		if packed.Header.Get("ETag") == tag {
			t.Errorf("%s: packed and plain have one ETag", name)
		}
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			return err
		}
		if got, err := io.ReadAll(z); err != nil || string(got) != string(want) {
			t.Errorf("%s: packed: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
		return nil
	})
	if err != nil || n < 20 {
		t.Fatalf("%d files, %v", n, err)
	}
}

func TestPolicy(t *testing.T) {
	p := get(t, "GET", "/").Header.Get("Content-Security-Policy")
	for _, bad := range []string{"unsafe-inline", "unsafe-eval", "*", "http:", "https:", "data:"} {
		if strings.Contains(p, bad) {
			t.Errorf("the policy allows %s: %s", bad, p)
		}
	}
}

func TestOther(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
	}{{"GET", "/", 200}, {"HEAD", "/", 200}, {"POST", "/", 405}, {"GET", "/app", 404}, {"GET", "/app/../web.go", 404}, {"GET", "/nothing", 404}, {"GET", "/vendor/build.mjs", 404}, {"GET", "/testdata/axe.min.js", 404}} {
		if got := get(t, c.method, c.path).StatusCode; got != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.status)
		}
	}
	if n := len(body(t, get(t, "HEAD", "/"))); n != 0 {
		t.Errorf("HEAD sent %d bytes", n)
	}
	for accept, want := range map[string]bool{"gzip": true, "GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "br": false, "": false, "gzip;q=0.01": true} {
		if got := takesGzip(accept); got != want {
			t.Errorf("Accept-Encoding %q: %v", accept, got)
		}
	}
}

// TestLock: the vendored files are those of the lock, and each library's licence is there.
func TestLock(t *testing.T) {
	b, err := os.ReadFile("vendor/lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct{ Packages, Files map[string]string }
	if err := json.Unmarshal(b, &lock); err != nil {
		t.Fatal(err)
	}
	for name, version := range lock.Packages {
		if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
			t.Errorf("%s is not pinned: %s", name, version)
		}
	}
	for name, want := range lock.Files {
		b, err := os.ReadFile(filepath.Join("vendor", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
			t.Errorf("vendor/%s is not what vendor/lock.json names", name)
		}
	}
	err = fs.WalkDir(files, "vendor", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && lock.Files[strings.TrimPrefix(name, "vendor/")] == "" {
			t.Errorf("%s is not in the lock", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNoOtherHost: what is written here names no other host but in comments of licences
// and the namespaces of XML, and every import leads to a file that is here.
func TestNoOtherHost(t *testing.T) {
	host := regexp.MustCompile(`https?://[\w.-]+`)
	imports := regexp.MustCompile(`(?:\bfrom |\bimport\(|\bimport )"([^"]+)"`)
	err := fs.WalkDir(files, "app", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		for _, u := range host.FindAllString(string(b), -1) {
			if u != "http://www.w3.org" {
				t.Errorf("%s names %s", name, u)
			}
		}
		for _, m := range imports.FindAllStringSubmatch(string(b), -1) {
			to := filepath.ToSlash(filepath.Join(filepath.Dir(name), m[1]))
			if _, err := fs.Stat(files, to); err != nil {
				t.Errorf("%s imports %s: %v", name, m[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
