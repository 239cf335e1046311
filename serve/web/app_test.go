package web

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"eclat/serve/web/webtest"
)

// TestChat is one conversation in a real browser, as its user would have it.
func TestChat(t *testing.T) {
	ctx := chromium(t)
	for _, c := range []struct {
		name string
		run  func(p *page)
	}{
		{"Stream", stream}, {"Stop", stopped}, {"Regenerate", regenerate}, {"Edit", edit}, {"Dropped", dropped}, {"Reload", reload},
		{"Length", length}, {"Thinking", thinking}, {"Tools", tools}, {"Context", tooLong}, {"Probabilities", probabilities},
		{"Settings", settings}, {"Attach", attach}, {"Draft", draft}, {"Heard", heard}, {"Keys", keys}, {"Theme", themes}, {"Copy", copies},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(open(t, ctx, &webtest.Server{})) })
	}
}

// stream: an answer comes, is shown as Markdown with its figures, and the next request
// holds the whole conversation.
func stream(p *page) {
	p.say("explain rows")
	p.ended(2)
	for _, want := range []string{"one pass", "In Go", "func dot", "2,880", "It costs $5 or $10"} {
		p.has(p.last(), want)
	}
	p.wait(`document.querySelector(".code .hl-keyword")`)
	p.wait(`document.querySelectorAll(".math math").length === 2`)
	p.has(eval[string](p, `document.querySelector(".figures").innerText`), "38.4 tokens/s")
	p.has(eval[string](p, `document.querySelector(".figures").innerText`), "cached")
	p.has(eval[string](p, `document.querySelector(".gauge svg").getAttribute("aria-label")`), "of 4,096 tokens")
	p.wait(`document.getElementById("draft").value === ""`)
	p.say("and more")
	p.ended(4)
	p.has(p.last(), "Answer 2 to and more")
	r := p.server.Requests()[1]
	if len(r.Messages) != 3 || r.Messages[1].Role != "assistant" || r.Messages[1].Reasoning == "" || r.Messages[1].Content != webtest.Markdown {
		p.Errorf("the second request holds %+v", r.Messages)
	}
	if r.Temperature != nil || r.Model == "" {
		p.Errorf("the request sets a temperature that nobody set: %v, or no model: %q", r.Temperature, r.Model)
	}
	if got := eval[string](p, "location.hash"); !strings.HasPrefix(got, "#/chat/") {
		p.Errorf("the address is %q", got)
	}
	if got := eval[string](p, "document.title"); got != "explain rows – eclat" {
		p.Errorf("the title is %q", got)
	}
}

// stopped: Stop ends the answer at once, keeps what came, and the server learns of it;
// Continue goes on in the same message.
func stopped(p *page) {
	p.say("slow please")
	p.wait(`document.querySelector(".streaming .text")?.innerText.length > 40`)
	p.click(".send.stop")
	p.ended(2)
	p.has(eval[string](p, `document.querySelector(".ending").innerText`), "Stopped.")
	before := p.last()
	p.has(before, "One sentence after the other")
	p.click(".ending .button")
	p.shows("and here it goes on to its end.")
	r := p.server.Requests()
	if m := r[1].Messages; len(m) != 2 || m[1].Role != "assistant" || !strings.HasPrefix(m[1].Content, "One sentence") {
		p.Errorf("to go on the server was given %+v", m)
	}
	if n := p.server.Left(); n != 1 {
		p.Errorf("the server saw %d clients leave, want 1", n)
	}
	p.say("slow again")
	p.wait(`document.querySelector(".streaming .text")?.innerText.length > 40`)
	p.do(chromedp.KeyEvent(kb.Escape))
	p.ended(4)
}

// regenerate: asking again makes a second version, and both can be shown.
func regenerate(p *page) {
	p.say("hello")
	p.ended(2)
	p.has(p.last(), "Answer 1 to hello")
	p.click(`.answered [aria-label="Ask again"]`)
	p.wait(`document.querySelector(".branches")?.innerText.trim() === "2/2"`)
	p.ended(2)
	p.has(p.last(), "Answer 2 to hello")
	if m := p.server.Requests()[1].Messages; len(m) != 1 {
		p.Errorf("the old answer was sent along: %+v", m)
	}
	p.say("next")
	p.ended(4)
	p.click(`.answered [aria-label="Version before"]`)
	p.ended(2)
	p.has(p.last(), "Answer 1 to hello")
	p.click(`.answered [aria-label="Version after"]`)
	p.ended(4)
	p.has(p.last(), "to next")
	// A branch becomes a chat of its own.
	p.menu(`.answered:nth-of-type(2) [aria-label="More"]`, "Branch into a new chat")
	p.wait(`document.querySelector(".head h1").innerText === "hello (branch)"`)
	p.ended(2)
	p.has(p.last(), "Answer 2 to hello")
}

// edit: an edited question is a branch with an answer of its own; an edited answer is one too.
func edit(p *page) {
	p.say("first")
	p.ended(2)
	p.click(`.asked [aria-label="Edit"]`)
	p.do(chromedp.SendKeys(chromedp.CSS(".editor textarea"), " changed"))
	p.click(".editor .button.main")
	p.wait(`document.querySelector(".asked .branches")?.innerText.trim() === "2/2"`)
	p.ended(2)
	p.has(p.last(), "Answer 2 to first changed")
	p.menu(`.answered [aria-label="More"]`, "Edit")
	p.do(chromedp.SendKeys(chromedp.CSS(".editor textarea"), " by hand"))
	p.click(".editor .button.main")
	p.wait(`document.querySelector(".answered .branches")?.innerText.trim() === "2/2"`)
	p.has(p.last(), "by hand")
	p.has(eval[string](p, `document.querySelector(".figures").innerText`), "edited")
	p.click(`.asked [aria-label="Version before"]`)
	p.wait(`document.querySelector(".bubble").innerText === "first"`)
	p.has(p.last(), "Answer 1 to first")
}

// dropped: a connection that breaks keeps what came and offers to go on.
func dropped(p *page) {
	p.say("drop it")
	p.ended(2)
	p.has(p.last(), "This answer breaks off")
	p.has(eval[string](p, `document.querySelector(".ending.bad").innerText`), "The connection was lost.")
	p.click(".ending .button")
	p.shows("goes on to its end.")
	p.wait(`!document.querySelector(".ending")`)
}

// reload: a reload in mid-answer keeps what came, says so, and offers to go on.
func reload(p *page) {
	p.say("slow please")
	p.wait(`document.querySelector(".streaming .text")?.innerText.length > 60`)
	p.do(chromedp.Reload())
	p.wait(`document.querySelector(".ending.bad")`)
	p.has(p.last(), "One sentence after the other")
	p.has(eval[string](p, `document.querySelector(".ending").innerText`), "closed or reloaded")
	p.click(".ending .button")
	p.shows("goes on to its end.")
	p.do(chromedp.Reload())
	p.shows("goes on to its end.")
}

func length(p *page) {
	p.say("length")
	p.ended(2)
	p.has(eval[string](p, `document.querySelector(".ending").innerText`), "greatest length")
	p.click(".ending .button")
	p.shows("because and here it goes on")
}

// thinking: it is open while it runs, and folded with its time afterwards.
func thinking(p *page) {
	p.say("think hard")
	p.wait(`document.querySelector(".thinking .fold-body")?.innerText.includes("First this")`)
	p.has(eval[string](p, `document.querySelector(".fold-head").innerText`), "Thinking")
	p.ended(2)
	p.wait(`!document.querySelector(".thinking .fold-body")`)
	p.has(eval[string](p, `document.querySelector(".fold-head").innerText`), "Thought for")
	p.click(".fold-head")
	p.wait(`document.querySelector(".thinking .fold-body")`)
}

// tools: a call is shown with its arguments, and its result goes back.
func tools(p *page) {
	p.say("weather please")
	p.ended(2)
	p.has(eval[string](p, `document.querySelector(".call").innerText`), "get_weather")
	p.has(eval[string](p, `document.querySelector(".call pre").innerText`), `"city": "Zürich"`)
	p.do(chromedp.SendKeys(chromedp.CSS(".call textarea"), "rain"))
	p.click(".calls .button.main")
	p.ended(4)
	p.has(p.last(), "The tool says: rain.")
	m := p.server.Requests()[1].Messages
	if last := m[len(m)-1]; last.Role != "tool" || last.ToolCall != "call_0" || last.Content != "rain" {
		p.Errorf("the result was sent as %+v", last)
	}
}

// tooLong: where the context is full the page says so, and leaves out old turns only when told to.
func tooLong(p *page) {
	p.say("first turn")
	p.ended(2)
	// As a pasted text becomes a file, the field is not slow.
	eval[bool](p, `(() => { const d = new DataTransfer(); d.setData("text/plain", "word ".repeat(3000)); document.getElementById("draft").dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true, cancelable: true})); return true; })()`)
	p.wait(`document.querySelector(".composer .chip")`)
	p.say("second turn")
	p.ended(4)
	eval[bool](p, `(() => { const d = new DataTransfer(); d.setData("text/plain", "word ".repeat(2000)); document.getElementById("draft").dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true, cancelable: true})); return true; })()`)
	p.wait(`document.querySelector(".composer .chip")`)
	p.say("third turn")
	p.ended(6)
	p.has(eval[string](p, `document.querySelector(".ending.bad").innerText`), "longer than the context")
	p.click(".ending .button")
	p.wait(`document.querySelector(".cut")`)
	p.shows("Answer 4")
	if m := p.server.Requests()[3].Messages; len(m) != 1 || !strings.Contains(m[0].Content, "third turn") {
		p.Errorf("%d messages were sent", len(m))
	}
}

func probabilities(p *page) {
	p.click(`[aria-label="Settings of this chat"]`)
	p.click("#set-logprobs")
	p.say("hello you")
	p.ended(2)
	if !p.server.Requests()[0].Logprobs {
		p.Error("no probabilities were asked for")
	}
	p.click(`[aria-label="Token probabilities"]`)
	p.wait(`document.querySelectorAll(".token").length === 5`)
	p.do(chromedp.Focus(chromedp.CSS(".token")), chromedp.KeyEvent(kb.ArrowRight))
	p.wait(`document.querySelector(".token-about caption")?.innerText.includes("70.5 %")`)
	p.has(eval[string](p, `document.querySelector(".token-about").innerText`), "perhaps")
	eval[bool](p, `document.querySelectorAll(".token")[3].dispatchEvent(new MouseEvent("mouseover", {bubbles: true}))`)
	p.wait(`document.querySelector(".token-about caption")?.innerText.includes("12.2 %")`)
}

// settings: what is not set is not sent; a default is shown; a wrong value is refused.
func settings(p *page) {
	p.click(`[aria-label="Settings of this chat"]`)
	p.wait(`document.querySelector("#set-temperature").placeholder === "0.7"`)
	p.do(chromedp.SendKeys(chromedp.CSS("#set-temperature"), "0.25"), chromedp.SendKeys(chromedp.CSS("#set-seed"), "7"),
		chromedp.SendKeys(chromedp.CSS("#set-top_p"), "7"), chromedp.SendKeys(chromedp.CSS("#system"), "Be short."))
	p.has(eval[string](p, `document.querySelector("#set-top_p-why").innerText`), "lies between 0 and 1")
	p.say("hello")
	p.ended(2)
	r := p.server.Requests()[0]
	if r.Temperature == nil || *r.Temperature != 0.25 || r.Seed == nil || *r.Seed != 7 || r.Messages[0].Role != "system" || r.Messages[0].Content != "Be short." {
		p.Errorf("the request is %+v", r)
	}
	p.click(`[aria-label="Reset Temperature"]`)
	p.click(".panel footer .button")
	p.visit("/")
	p.say("new chat")
	p.ended(2)
	if r := p.server.Requests()[1]; r.Temperature != nil || r.Seed == nil || r.Messages[0].Content != "Be short." {
		p.Errorf("the new chat's request is %+v", r)
	}
}

// attach: text files go along, others are refused by name.
func attach(p *page) {
	dir := p.TempDir()
	text, binary := filepath.Join(dir, "notes.txt"), filepath.Join(dir, "picture.png")
	p.check(os.WriteFile(text, []byte("some ``` text"), 0o600))
	p.check(os.WriteFile(binary, []byte{0x89, 'P', 'N', 'G', 0, 0xff}, 0o600))
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#attach"), []string{text, binary}))
	p.wait(`document.querySelector(".composer .chip-name")?.innerText === "notes.txt"`)
	p.has(eval[string](p, `document.querySelector(".note").innerText`), "picture.png is not a text file")
	p.say("read this")
	p.ended(2)
	if got := p.server.Requests()[0].Messages[0].Content; got != "File \"notes.txt\":\n````\nsome ``` text\n````\n\nread this" {
		p.Errorf("the file was sent as %q", got)
	}
}

// draft: what is written and not sent survives a reload.
func draft(p *page) {
	p.do(chromedp.SendKeys(chromedp.CSS("#draft"), "half a thou"), chromedp.Reload())
	p.wait(`document.getElementById("draft")?.value === "half a thou"`)
}

// heard: a screen reader is given whole sentences, each once.
func heard(p *page) {
	p.say("slow please")
	p.wait(`document.querySelectorAll("#heard p").length >= 2`)
	for _, s := range eval[[]string](p, `[...document.querySelectorAll("#heard p")].map((p) => p.textContent)`) {
		if !strings.HasSuffix(s, ".") {
			p.Errorf("%q was said, which is no whole sentence", s)
		}
	}
	p.click(".send.stop")
	p.ended(2)
	said := eval[string](p, `[...document.querySelectorAll("#heard p")].map((p) => p.textContent).join(" ")`)
	if got := p.last(); strings.TrimSpace(said) != strings.TrimSpace(got) {
		p.Errorf("heard %q, shown %q", said, got)
	}
}

// copies: a block of code and a whole answer go to the clipboard as they were written.
func copies(p *page) {
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: name, AllowWithoutSanitization: true}, Setting: browser.PermissionSettingGranted})
		p.check(err)
	}
	p.say("explain rows")
	p.ended(2)
	p.click(`.code [data-do="copy"]`)
	p.wait(`document.querySelector('.code [data-do="copy"]').innerText === "Copied"`)
	p.has(eval[string](p, `navigator.clipboard.readText()`), "func dot(a, b []int8, scale float32) float32 {")
	p.click(`.answered [aria-label="Copy as Markdown"]`)
	p.wait(`document.querySelector(".note")?.innerText.includes("Copied.")`)
	if got := eval[string](p, `navigator.clipboard.readText()`); strings.ReplaceAll(got, "\r\n", "\n") != webtest.Markdown {
		p.Errorf("the answer was copied as %q", got)
	}
}

func keys(p *page) {
	p.do(chromedp.SendKeys(chromedp.CSS("#draft"), "two"), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift)), chromedp.KeyEvent("lines"+kb.Enter))
	p.ended(2)
	if got := p.server.Requests()[0].Messages[0].Content; got != "two\nlines" {
		p.Errorf("sent %q", got)
	}
	p.do(chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.wait(`document.activeElement.id === "search"`)
}

// themes: the choice is kept over a reload, and the system's is followed where none is made.
func themes(p *page) {
	paper := func() string { return eval[string](p, "getComputedStyle(document.body).backgroundColor") }
	p.colours("dark")
	dark := paper()
	p.colours("light")
	light := paper()
	if dark == light {
		p.Errorf("the system's colours change nothing: %s", dark)
	}
	p.click(".foot-row > .quiet") // from the system's to light
	p.click(".foot-row > .quiet") // to dark
	p.do(chromedp.Reload())
	p.wait(`document.querySelector(".foot-row > .quiet")?.innerText === "Dark colours"`)
	if got := paper(); got != dark {
		p.Errorf("the paper is %s, want %s", got, dark)
	}
}

// TestHistory: search, pin, rename, delete with undo, export, import.
func TestHistory(t *testing.T) {
	p := open(t, chromium(t), &webtest.Server{})
	for i, text := range []string{"about apples", "about pears", "explain rows"} {
		p.visit("/")
		eval[bool](p, `(location.hash = "#/", true)`)
		p.wait(`document.querySelectorAll(".message").length === 0`)
		p.say(text)
		p.ended(2)
		p.wait(`document.querySelectorAll(".chat-row").length === ` + string(rune('1'+i)))
	}
	titles := func() string {
		return eval[string](p, `[...document.querySelectorAll(".chat-title")].map((e) => e.innerText).join("|")`)
	}
	if got := titles(); got != "explain rows|about pears|about apples" {
		t.Errorf("the list is %s", got)
	}
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), "one pass"))
	p.wait(`[...document.querySelectorAll(".chat-title")].map((e) => e.innerText).join() === "explain rows"`)
	p.empty("search")
	p.wait(`document.querySelectorAll(".chat-row").length === 3`)

	p.menu(`[aria-label="More for about apples"]`, "Pin")
	p.wait(`document.querySelector(".chats h2").innerText === "Pinned" && document.querySelector(".chat-title").innerText === "about apples"`)
	p.menu(`[aria-label="More for about pears"]`, "Rename")
	p.wait(`document.activeElement.classList.contains("rename")`)
	p.do(chromedp.KeyEvent("Fruit" + kb.Enter))
	p.wait(`[...document.querySelectorAll(".chat-title")].some((e) => e.innerText === "Fruit")`)
	p.menu(`[aria-label="More for about apples"]`, "Delete")
	p.wait(`document.querySelectorAll(".chat-row").length === 2`)
	p.click(".note .text-button")
	p.wait(`document.querySelectorAll(".chat-row").length === 3`)

	file := p.downloads()
	p.menu(`[aria-label="More for explain rows"]`, "Export as Markdown")
	md, err := os.ReadFile(file(".md"))
	p.check(err)
	for _, want := range []string{"# explain rows", "## You", "func dot", "<summary>Thinking</summary>"} {
		p.has(string(md), want)
	}
	p.menu(`[aria-label="Export and import"]`, "Export all chats")
	name := file(".json")
	raw, err := os.ReadFile(name)
	p.check(err)
	var out struct {
		Kind  string
		Chats []struct{ Messages []map[string]any }
	}
	if err := json.Unmarshal(raw, &out); err != nil || out.Kind != "eclat-chats" || len(out.Chats) != 3 || len(out.Chats[0].Messages) != 2 {
		t.Errorf("the export: %v, %+v", err, out)
	}
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#import"), []string{name}))
	p.wait(`document.querySelectorAll(".chat-row").length === 6`)
	p.do(chromedp.Reload())
	p.wait(`document.querySelectorAll(".chat-row").length === 6`)

	// Files that are no export, or want something, are refused by a line.
	dir := t.TempDir()
	for file, reason := range map[string]string{
		`not json`:                                     "is not JSON",
		`{"kind":"other"}`:                             "no export of eclat",
		`{"kind":"eclat-chats","version":9}`:           "version is 9",
		`{"kind":"eclat-chats","version":1,"chats":5}`: "no list of chats",
		`{"kind":"eclat-chats","version":1,"chats":[{"chat":{},"messages":[{"id":"a","parent":"a","role":"user","content":"x"}]}]}`:   "run in a circle",
		`{"kind":"eclat-chats","version":1,"chats":[{"chat":{},"messages":[{"id":"a","parent":null,"role":"admin","content":"x"}]}]}`: "no known role",
		`{"kind":"eclat-chats","version":1,"chats":[{"chat":{},"messages":[{"id":"a","parent":null,"role":"user","content":{}}]}]}`:   "a text is missing",
	} {
		name := filepath.Join(dir, "bad.json")
		p.check(os.WriteFile(name, []byte(file), 0o600))
		p.do(chromedp.SetUploadFiles(chromedp.CSS("#import"), []string{name}))
		p.wait(`[...document.querySelectorAll(".note")].at(-1)?.innerText.includes(` + quote(reason) + `)`)
	}
	if n := eval[int](p, `document.querySelectorAll(".chat-row").length`); n != 6 {
		t.Errorf("%d chats after bad imports, want 6", n)
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// TestTabs: a second tab shows an answer as it comes, and can stop it.
func TestTabs(t *testing.T) {
	ctx := chromium(t)
	p := open(t, ctx, &webtest.Server{})
	p.say("slow please")
	p.wait(`document.querySelector(".streaming .text")`)
	q := &page{T: t, server: p.server, url: p.url}
	q.tab(ctx)
	q.visit("/" + eval[string](p, "location.hash"))
	q.wait(`document.querySelector(".streaming .text")?.innerText.length > 100`)
	q.click(".send.stop")
	q.ended(2)
	q.has(eval[string](q, `document.querySelector(".ending").innerText`), "Stopped.")
	p.ended(2)
	if a, b := p.last(), q.last(); a != b {
		t.Errorf("the tabs show %q and %q", a, b)
	}
	q.say("from the other tab")
	q.ended(4)
	p.wait(`document.querySelectorAll(".chat-row").length === 1`)
}
