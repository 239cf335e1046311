package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"eclat/serve/web/webtest"
)

// guard is how long a test waits for what should come at once, before it calls it hung.
const guard = time.Minute

// chromium starts a headless Chromium, or skips.
func chromium(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium is installed: the web app is not tried (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // the browser starts; pages are tabs of it
		t.Fatal(err)
	}
	return ctx
}

// page is a tab with the app in it.
type page struct {
	*testing.T
	ctx     context.Context
	browser context.Context  // that the tab is of
	server  *webtest.Server  // that the page is served by; nil where it is a real one
	http    *httptest.Server // the same, as it listens
	url     string

	mu    sync.Mutex
	bad   []string // what a page must not do
	fails []string // requests that were answered by an error, or broke off
	asked []string // parts of complaints that the test itself brought about
}

// open serves the app by a scripted server and shows it in a tab; at the end of the test
// it must not have complained on the console, nor asked another host.
func open(t *testing.T, ctx context.Context, server *webtest.Server) *page {
	t.Helper()
	p := openOn(t, ctx, server.Handler(Handler()))
	p.server = server
	return p
}

// openOn is open for any server.
func openOn(t *testing.T, ctx context.Context, h http.Handler) *page {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	p := &page{T: t, http: s, url: s.URL}
	p.tab(ctx)
	p.visit("/")
	return p
}

// tab gives the page a tab of its own in the browser of ctx.
func (p *page) tab(ctx context.Context) {
	p.Helper()
	p.browser = ctx
	ctx, cancel := chromedp.NewContext(ctx)
	p.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	p.Cleanup(cancel)
	p.ctx = ctx
	p.check(chromedp.Listen(ctx, p.hear))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	p.check(err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	p.check(err)
	p.size(1280, 900)
	p.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, bad := range p.bad {
			if !slices.ContainsFunc(p.asked, func(part string) bool { return strings.Contains(bad, part) }) {
				p.Errorf("the page complains: %s", bad)
			}
		}
	})
}

func (p *page) hear(ev any) {
	add := func(list *[]string, format string, args ...any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		*list = append(*list, fmt.Sprintf(format, args...))
	}
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			text := ""
			for _, a := range ev.Args {
				text += " " + string(a.Value) + a.Description
			}
			add(&p.bad, "console %s:%s", ev.Type, text)
		}
	case *runtime.EventExceptionThrown:
		add(&p.bad, "exception: %s %+v", ev.ExceptionDetails.Text, ev.ExceptionDetails.Exception)
	case *log.EventEntryAdded:
		if ev.Entry.Source == log.EntrySourceNetwork {
			add(&p.fails, "%s: %s", ev.Entry.URL, ev.Entry.Text)
		} else if ev.Entry.Level != log.EntryLevelVerbose && ev.Entry.Level != log.EntryLevelInfo {
			add(&p.bad, "log %s: %s", ev.Entry.Level, ev.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		if u := ev.Request.URL; !strings.HasPrefix(u, p.url+"/") && !strings.HasPrefix(u, "blob:"+p.url+"/") && u != "about:blank" {
			add(&p.bad, "foreign request: %s", u)
		}
	}
}

func (p *page) check(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	p.check(chromedp.Do(p.ctx, steps...))
}

func (p *page) size(width, height int64) {
	p.Helper()
	p.do(chromedp.EmulateViewport(width, height))
}

// visit goes to an address of the app and waits until it is there.
func (p *page) visit(path string) {
	p.Helper()
	p.do(chromedp.Navigate(p.url + path))
	p.wait(`document.querySelector("#app .frame")`)
}

// eval returns the value of an expression of JavaScript; a promise is awaited.
func eval[T any](p *page, expression string) T {
	p.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true.
func (p *page) wait(expression string) {
	p.Helper()
	if !eval[bool](p, fmt.Sprintf(`new Promise((done) => {
		const end = Date.now() + %d;
		(function look() {
			let ok = false;
			try { ok = Boolean(%s); } catch { /* not there yet */ }
			if (ok) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 20);
		})();
	})`, guard.Milliseconds(), expression)) {
		p.Fatalf("this did not come true: %s\n%s", expression, eval[string](p, `document.querySelector(".thread, .column")?.innerText ?? document.body.innerText`))
	}
}

// click presses what a selector finds, with the mouse: once it has been drawn at the same
// place twice, with nothing over it. A page may still move it between the look and the
// press; what was not pressed is pressed again, as people do.
func (p *page) click(selector string) {
	p.Helper()
	for range 3 {
		p.wait(fmt.Sprintf(`(() => {
			const e = document.querySelector(%[1]q);
			e.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
			const box = e.getBoundingClientRect(), at = [box.x, box.y, box.width, box.height].join();
			if (window.seen?.e !== e || window.seen.at !== at) {
				const seen = window.seen = { e, at, drawn: false };
				requestAnimationFrame(() => requestAnimationFrame(() => { seen.drawn = true; }));
			}
			if (!window.seen.drawn) return false;
			window.seen = null;
			if (!e.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2))) return false;
			window.pressed = false;
			addEventListener("click", (c) => { window.pressed ||= Boolean(c.target.closest(%[1]q)); }, { capture: true, once: true });
			return true;
		})()`, selector))
		p.do(chromedp.Click(chromedp.CSS(selector)))
		if eval[bool](p, `window.pressed !== false`) { // a page that was left has heard it
			return
		}
		p.Logf("%s was not where it had been", selector)
	}
	p.Fatalf("%s could not be pressed", selector)
}

// menu opens a menu by its button and takes the item of a name.
func (p *page) menu(button, item string) {
	p.Helper()
	p.click(button)
	p.wait(fmt.Sprintf(`document.querySelector(%q).nextElementSibling.matches(":popover-open")`, button))
	eval[bool](p, fmt.Sprintf(`(() => { const b = [...document.querySelectorAll("[popover]:popover-open [role=menuitem]")].find((b) => b.textContent === %q); b.click(); return true; })()`, item))
}

// say types a message and sends it.
func (p *page) say(text string) {
	p.Helper()
	p.wait(`document.querySelector(".send:not(.stop)")`)
	p.do(chromedp.SendKeys(chromedp.CSS("#draft"), text+kb.Enter))
}

// ended waits until no answer is on its way and n messages are shown.
func (p *page) ended(n int) {
	p.Helper()
	p.wait(fmt.Sprintf(`document.querySelectorAll(".message").length === %d && !document.querySelector(".streaming")`, n))
}

// last returns the text of the last message.
func (p *page) last() string {
	p.Helper()
	return eval[string](p, `[...document.querySelectorAll(".message")].at(-1).querySelector(":scope > .text, .bubble")?.innerText ?? ""`)
}

// shows waits until the last message holds a text and nothing more comes.
func (p *page) shows(text string) {
	p.Helper()
	p.wait(fmt.Sprintf(`!document.querySelector(".streaming") && [...document.querySelectorAll(".message")].at(-1).innerText.includes(%q)`, text))
}

// fresh shows a new chat.
func (p *page) fresh() {
	p.Helper()
	p.visit("/#/")
	p.wait(`document.querySelector("#draft") && document.querySelectorAll(".message").length === 0`)
}

// has fails where a text lacks a part.
func (p *page) has(text, part string) {
	p.Helper()
	if !strings.Contains(text, part) {
		p.Errorf("%q is not in %q", part, text)
	}
}

// colours emulates a colour scheme.
func (p *page) colours(scheme string) {
	p.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	p.check(err)
}

// empty clears a field as its user would.
func (p *page) empty(id string) {
	p.Helper()
	eval[bool](p, fmt.Sprintf(`(() => { const f = document.getElementById(%q); f.value = ""; return f.dispatchEvent(new Event("input", {bubbles: true})); })()`, id))
}

// downloads makes the browser keep files in a folder, and returns a function that waits
// for the next one of a suffix.
func (p *page) downloads() func(suffix string) string {
	p.Helper()
	dir := p.TempDir()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir})
	p.check(err)
	return func(suffix string) string {
		p.Helper()
		for end := time.Now().Add(guard); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
			p.check(err)
			if len(names) == 1 {
				return names[0]
			}
		}
		list, _ := os.ReadDir(dir)
		p.Fatalf("no file *%s was downloaded: %v", suffix, list)
		return ""
	}
}
