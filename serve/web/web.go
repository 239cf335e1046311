package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed app vendor/*.js vendor/*.css vendor/*.woff2 vendor/licences
var files embed.FS

// policy is the Content-Security-Policy of every answer. It allows this server's own
// files and nothing inline; require-trusted-types-for keeps text out of the places
// where it would be read as HTML, but for the one policy that sanitises it (markdown.js)
// and those of the libraries' own constant templates.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types dompurify"

// types are the media types of the files, whatever the machine's own table says.
var types = map[string]string{
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".txt":   "text/plain; charset=utf-8",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
	".json":  "application/json",
}

// file is one embedded file, ready to be sent.
type file struct {
	kind   string // media type
	tag    string // ETag, without its quotes: the first half of the sha256
	plain  []byte
	packed []byte // gzip; nil where that is no shorter
}

// Handler returns the handler of the app: GET and HEAD of "/" and of the files below
// /app/ and /vendor/. Everything else is 404, another method 405.
func Handler() http.Handler {
	all, err := load(files)
	if err != nil {
		panic("web: the embedded files: " + err.Error()) // they are part of the program
	}
	return handler(all)
}

// load reads and packs the files, by their paths in a URL.
func load(fsys fs.FS) (map[string]*file, error) {
	all := map[string]*file{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		f := &file{kind: types[path.Ext(name)], tag: hex.EncodeToString(sum[:16]), plain: b}
		if f.kind == "" {
			if f.kind = mime.TypeByExtension(path.Ext(name)); f.kind == "" {
				return fmt.Errorf("%s: its type is not known", name)
			}
		}
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if packed.Len() < len(b) {
			f.packed = packed.Bytes()
		}
		all["/"+name] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	index := all["/app/index.html"]
	if index == nil {
		return nil, fmt.Errorf("app/index.html: %w", fs.ErrNotExist)
	}
	all["/"] = index
	return all, nil
}

// handler serves files by path.
type handler map[string]*file

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "the app's files are only read", http.StatusMethodNotAllowed)
		return
	}
	f := h[r.URL.Path]
	if f == nil {
		http.Error(w, "the app has no such file", http.StatusNotFound)
		return
	}
	body, tag := f.plain, f.tag
	head.Add("Vary", "Accept-Encoding")
	if f.packed != nil && takesGzip(r.Header.Get("Accept-Encoding")) {
		body, tag = f.packed, f.tag+"-gz"
		head.Set("Content-Encoding", "gzip")
	}
	// Files are asked for anew each time, so that a new binary is never mixed with an
	// old one's files; what has not changed is answered by 304.
	head.Set("Cache-Control", "no-cache")
	head.Set("ETag", `"`+tag+`"`)
	head.Set("Content-Type", f.kind)
	if matches(r.Header.Get("If-None-Match"), tag) {
		head.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Length", fmt.Sprint(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body) // an error is a client that left
	}
}

// takesGzip reports whether an Accept-Encoding header allows gzip.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		name, q, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q = strings.ReplaceAll(q, " ", "")
			return !strings.HasPrefix(q, "q=0") || strings.Trim(q[len("q=0"):], ".0") != ""
		}
	}
	return false
}

// matches reports whether an If-None-Match header holds the tag.
func matches(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == "*" || part == `"`+tag+`"` {
			return true
		}
	}
	return false
}
