package web

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"eclat/serve/web/webtest"
)

// TestHostile: what a model prints is shown; it runs nothing and asks nobody.
func TestHostile(t *testing.T) {
	p := open(t, chromium(t), &webtest.Server{})
	p.say("hostile")
	p.ended(2)
	p.wait(`document.querySelector(".code .hl-tag, .code .hl-name")`)
	eval[bool](p, `document.querySelectorAll(".text a").forEach((a) => { if (!/^https?:/.test(a.href)) throw new Error(a.href); }) ?? true`)
	for _, bad := range []string{"script", "img", "iframe", "form", "input", "style", "svg", "object", "[onerror]", "[onclick]", "[onload]", "[style]"} {
		if n := eval[int](p, fmt.Sprintf(`document.querySelectorAll(".text " + %q).length`, bad)); n != 0 {
			t.Errorf("%d of %s are in the message", n, bad)
		}
	}
	p.has(p.last(), "<script>window.hacked = 1</script>")
	p.has(p.last(), `<img src=x onerror=`)
	// Clicks run nothing either.
	eval[bool](p, `(document.querySelectorAll(".text *").forEach((e) => { if (e.tagName !== "A") e.click(); }), true)`)
	if got := eval[string](p, "String(window.hacked)"); got != "undefined" {
		t.Errorf("script %s of the message ran", got)
	}
	// A name of a chat and of a file is text as well.
	p.visit("/")
	p.say(`<img src=x onerror="window.hacked=20">`)
	p.ended(2)
	if got := eval[string](p, "String(window.hacked)"); got != "undefined" {
		t.Errorf("script %s of a title ran", got)
	}
	// And the policy refuses what would slip through.
	p.asked = []string{"TrustedHTML", "require-trusted-types-for"}
	if ran := eval[bool](p, `(() => { try { const d = document.createElement("div"); d.innerHTML = "<b>x</b>"; return true; } catch { return false; } })()`); ran {
		t.Error("text can be made HTML without the sanitiser")
	}
}

// TestServers: the page says it clearly where a server lacks something, or wants a key.
func TestServers(t *testing.T) {
	ctx := chromium(t)
	t.Run("Bare", func(t *testing.T) {
		p := open(t, ctx, &webtest.Server{Bare: true})
		p.visit("/#/models")
		p.wait(`document.querySelector(".line.bad")?.innerText.includes("no /api/status")`)
		p.visit("/#/measure")
		p.click(".grid-form .button.main")
		p.wait(`document.querySelector(".line.bad")?.innerText.includes("no /api/bench")`)
	})
	t.Run("Key", func(t *testing.T) {
		p := open(t, ctx, &webtest.Server{Key: "secret"})
		p.wait(`document.querySelector("dialog[open] #key")`)
		p.do(chromedp.SendKeys(chromedp.CSS("#key"), "secret"))
		p.click("dialog .button.main")
		p.wait(`!document.querySelector("dialog") && !document.querySelector(".banner")`)
		p.say("hello")
		p.ended(2)
		p.has(p.last(), "Answer 1 to hello")
	})
}

// TestPages: the pages beside the chat show what the server says, and charts are drawn.
func TestPages(t *testing.T) {
	p := open(t, chromium(t), &webtest.Server{})
	p.visit("/#/models")
	p.wait(`document.querySelectorAll(".cards .card").length === 5`)
	text := eval[string](p, `document.querySelector(".column").innerText`)
	for _, want := range []string{"Equal bits", "Within limits", "39 of 42 verified", "layer 0 to layer 33", "10.9 GiB", "Other machines", "14 ms", "the same definition of numbers"} {
		p.has(text, want)
	}
	if n := eval[int](p, `document.querySelectorAll(".strip .cell").length`); n != 42 {
		t.Errorf("%d cells, want 42", n)
	}
	eval[bool](p, `([...document.querySelectorAll(".model .button")].find((b) => b.innerText === "Load").click(), true)`)
	p.wait(`[...document.querySelectorAll(".model .badge.good")].filter((b) => b.innerText === "Ready").length === 2`)

	p.visit("/#/measure")
	p.wait(`document.querySelector("#b-model").value`)
	p.click(".grid-form .button.main")
	p.wait(`document.querySelectorAll("[data-drawn] canvas").length === 2`)
	p.wait(`document.querySelectorAll(".sheet-table tbody tr").length === 6`)
	eval[bool](p, `(document.querySelectorAll(".grid-form")[1].querySelector(".button.main").click(), true)`)
	p.wait(`document.querySelector(".verdict")?.innerText.includes("Equal bit for bit")`)
	eval[bool](p, `(() => { const s = document.getElementById("c-device"); s.value = "vulkan:1"; s.dispatchEvent(new Event("change", {bubbles: true})); return true; })()`)
	eval[bool](p, `(document.querySelectorAll(".grid-form")[1].querySelector(".button.main").click(), true)`)
	p.wait(`document.querySelector(".verdict")?.innerText.includes("Within limits")`)
	p.wait(`document.querySelectorAll("[data-drawn] canvas").length === 4`)
}

// TestLongChat: in a chat of 2,000 messages only what is looked at is on the page, and an
// answer that streams makes no other message anew and parses each of its blocks once.
func TestLongChat(t *testing.T) {
	p := open(t, chromium(t), &webtest.Server{Context: 100000})
	var b strings.Builder
	b.WriteString(`{"kind":"eclat-chats","version":1,"chats":[{"chat":{"title":"long","leaf":"m1999"},"messages":[`)
	for i := range 2000 {
		parent, role := "null", "user"
		if i > 0 {
			parent = fmt.Sprintf(`"m%d"`, i-1)
			b.WriteByte(',')
		}
		if i%2 == 1 {
			role = "assistant"
		}
		fmt.Fprintf(&b, `{"id":"m%d","parent":%s,"role":%q,"at":%d,"content":"message %d with **some** text\n\nand more"}`, i, parent, role, 1000+i, i)
	}
	b.WriteString("]}]}")
	name := filepath.Join(t.TempDir(), "long.json")
	p.check(os.WriteFile(name, []byte(b.String()), 0o600))
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#import"), []string{name}))
	p.click(".chat-row a")
	p.wait(`document.querySelectorAll(".message").length === 30`)
	counts := func() map[string]int { return eval[map[string]int](p, "({...eclatCounts})") }
	if c := counts(); c["message"] > 60 || c["blocks"] > 60 {
		t.Errorf("opening made %d messages and parsed %d blocks, want at most 60", c["message"], c["blocks"])
	}
	if !eval[bool](p, `(() => { const b = document.querySelector(".thread"); return b.scrollHeight - b.scrollTop - b.clientHeight < 2; })()`) {
		t.Error("the chat does not open at its end")
	}
	p.click(".earlier")
	p.wait(`document.querySelectorAll(".message").length === 60`)
	if eval[bool](p, `document.querySelector(".thread").scrollTop < 1000`) {
		t.Error("showing earlier messages moved what was read")
	}

	before := counts()
	p.say("explain rows")
	p.wait(`document.querySelectorAll(".math math").length === 2`)
	p.wait(`!document.querySelector(".streaming")`)
	after := counts()
	old := eval[int](p, `document.querySelectorAll(".message").length`)
	if old != 62 {
		t.Errorf("%d messages are on the page, want 62", old)
	}
	// Each piece of the answer makes at most its own message anew; the two new ones and what
	// comes with the chat's record stand for the rest.
	pieces := len(strings.Fields(webtest.Markdown))*2 + 60
	if n := after["message"] - before["message"]; n > pieces {
		t.Errorf("%d messages were made anew for an answer of at most %d pieces", n, pieces)
	}
	// Typing makes nothing anew.
	before = counts()
	p.do(chromedp.SendKeys(chromedp.CSS("#draft"), "typing typing"))
	if c := counts(); c["message"] != before["message"] || c["thread"] != before["thread"] || c["blocks"] != before["blocks"] {
		t.Errorf("typing made messages anew: %v, then %v", before, c)
	}
	// Nor does a slow answer touch the others.
	p.empty("draft")
	eval[bool](p, `(() => { window.touched = 0; const o = new MutationObserver((l) => { for (const m of l) { const a = (m.target.closest ? m.target : m.target.parentElement)?.closest(".message"); if (a && a.dataset.old) window.touched++; } });
		document.querySelectorAll(".message").forEach((m) => { m.dataset.old = "1"; }); o.observe(document.querySelector(".thread"), {subtree: true, childList: true, characterData: true}); return true; })()`)
	p.say("slow please")
	p.wait(`document.querySelector(".streaming .text")?.innerText.length > 400`)
	// Reading above is left alone.
	eval[bool](p, `(document.querySelector(".thread").scrollTop -= 600, true)`)
	top := eval[float64](p, `new Promise((done) => setTimeout(() => done(document.querySelector(".thread").scrollTop), 100))`)
	size := eval[int](p, `document.querySelector(".streaming .text").innerText.length`)
	p.wait(fmt.Sprintf(`document.querySelector(".streaming .text").innerText.length > %d`, size+400))
	if got := eval[float64](p, `document.querySelector(".thread").scrollTop`); got != top {
		t.Errorf("the page was at %g and went to %g by itself", top, got)
	}
	p.click(".to-end")
	p.click(".send.stop")
	p.wait(`!document.querySelector(".streaming")`)
	if n := eval[int](p, "window.touched"); n != 0 {
		t.Errorf("old messages were touched %d times", n)
	}
}
