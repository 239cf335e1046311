package core

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// Guard says who may ask.
//
// Where there is no key, any page that a browser shows could use the server of the same
// machine, or of the same network by a name that it lets mean this machine (rebinding).
// So hosts are those that the server is known by, and origins its own.
type Guard struct {
	Keys    []string // one of them is needed; none: nobody needs one
	Hosts   []string // names that the server is known by, besides loopback's and addresses
	Origins []string // other origins whose pages may ask; "*" is any
}

// Wrap is a handler behind the guard's checks of hosts and origins. Keys are asked for by
// the handlers that need one.
func (g *Guard) Wrap(next http.Handler, shape Shape) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(format string, args ...any) {
			x := &Exchange{W: w, R: r}
			x.json(http.StatusForbidden, shape.Body(Errorf(http.StatusForbidden, format, args...)))
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !g.known(r.Host) {
			refuse("the host %.80q is none that this server is known by; see --allow-host", r.Host)
			return
		}
		origin := r.Header.Get("Origin")
		h.Add("Vary", "Origin")
		switch {
		case origin == "" || sameOrigin(origin, r):
		case !g.allows(origin):
			refuse("pages of %.80q may not use this server; see --cors", origin)
			return
		default:
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			if slices.Contains(g.Origins, "*") {
				h.Set("Access-Control-Allow-Origin", "*") // never with credentials
			} else {
				h.Set("Access-Control-Allow-Origin", origin)
			}
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST")
				h.Set("Access-Control-Allow-Headers", allowedHeaders(r.Header.Get("Access-Control-Request-Headers")))
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// allowedHeaders are of those that a page asks for the ones that clients of the APIs send:
// none is a secret of the browser's own.
func allowedHeaders(asked string) string {
	var list []string
	for name := range strings.SplitSeq(strings.ToLower(asked), ",") {
		name = strings.TrimSpace(name)
		switch {
		case len(list) == 32:
		case name == "authorization", name == "content-type", name == "x-api-key", name == "accept", name == "user-agent",
			strings.HasPrefix(name, "x-stainless-"), strings.HasPrefix(name, "anthropic-"), strings.HasPrefix(name, "openai-"):
			list = append(list, name)
		}
	}
	return strings.Join(list, ", ")
}

// known reports whether the server is known by a host. An address is no name that somebody
// else could let mean this machine.
func (g *Guard) known(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || net.ParseIP(name) != nil ||
		slices.ContainsFunc(g.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// sameOrigin reports whether a page comes from this server.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, r.Host)
}

func (g *Guard) allows(origin string) bool {
	return slices.ContainsFunc(g.Origins, func(o string) bool { return o == "*" || strings.EqualFold(o, origin) })
}

// caller is who asks, by the key; an error where one is needed and the given one is none
// of them. All keys are compared, each in constant time.
func (g *Guard) caller(r *http.Request) (string, error) {
	if len(g.Keys) == 0 {
		return "anyone", nil
	}
	given := r.Header.Get("X-Api-Key")
	if kind, key, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		given = strings.TrimSpace(key)
	}
	sum := sha256.Sum256([]byte(given))
	right := 0
	for _, k := range g.Keys {
		want := sha256.Sum256([]byte(k))
		right |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	if right == 0 || given == "" {
		e := Errorf(http.StatusUnauthorized, "a valid API key is needed, as Authorization: Bearer KEY or x-api-key: KEY")
		e.Code = "invalid_api_key"
		return "", e
	}
	return "key " + hex.EncodeToString(sum[:16]), nil
}

// budget is bytes that many share.
type budget struct{ left atomic.Int64 }

// take takes n bytes, if there are so many.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) < 0 {
		b.left.Add(n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.left.Add(n) }
