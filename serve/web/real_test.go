package web

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestReal is the app on the real server with the built-in model, as its user has it: what
// the scripted server shows of the page is shown here of both together.
func TestReal(t *testing.T) {
	ctx := chromium(t)
	for _, c := range []struct {
		name string
		run  func(p *page, idle func())
	}{
		{"Stream", realStream}, {"Stop", realStop}, {"Regenerate", realRegenerate}, {"Edit", realEdit}, {"Reload", realReload}, {"Dropped", realDropped},
		{"Tabs", realTabs}, {"Files", realFiles}, {"TooLong", realTooLong}, {"Probabilities", realProbabilities}, {"Models", realModels}, {"Measure", realMeasure},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, idle := RealServer(t, "")
			c.run(openOn(t, ctx, h), idle)
		})
	}
	t.Run("Key", func(t *testing.T) {
		h, _ := RealServer(t, "secret-one")
		p := openOn(t, ctx, h)
		p.wait(`document.querySelector("dialog[open] #key")`)
		p.do(chromedp.SendKeys(chromedp.CSS("#key"), "wrong-one"))
		p.click("dialog .button.main")
		p.wait(`document.querySelector("dialog[open] #key")`)
		p.empty("key")
		p.do(chromedp.SendKeys(chromedp.CSS("#key"), "secret-one"))
		p.click("dialog .button.main")
		p.wait(`!document.querySelector("dialog") && !document.querySelector(".banner")`)
		p.begin(`{"max_tokens": 8}`)
		p.say("We the people")
		p.ended(2)
		p.visit("/#/models")
		p.wait(`document.querySelectorAll(".cards .card").length >= 2`)
	})
}

// begin makes new chats begin with settings, and shows one.
func (p *page) begin(settings string) {
	p.Helper()
	eval[bool](p, fmt.Sprintf(`(localStorage.setItem("standing", JSON.stringify({system: "", settings: %s})), true)`, settings))
	p.do(chromedp.Reload())
	p.wait(`document.querySelector("#draft")`)
}

// text waits until an answer that is on its way has more than n letters.
func (p *page) text(n int) {
	p.Helper()
	p.wait(fmt.Sprintf(`document.querySelector(".streaming .text")?.innerText.length > %d`, n))
}

// content is the last answer as it is kept: what the screen shows has been through Markdown.
func (p *page) content() string {
	p.Helper()
	return eval[string](p, `new Promise((done, failed) => { const r = indexedDB.open("eclat"); r.onerror = failed; r.onsuccess = () => {
		const q = r.result.transaction("messages").objectStore("messages").getAll(); q.onsuccess = () => { r.result.close(); const id = [...document.querySelectorAll(".message")].at(-1).dataset.id; done(q.result.find((m) => m.id === id).content); }; }; })`)
}

// realStream: an answer comes with its figures; the next one finds the conversation in the
// cache.
func realStream(p *page, idle func()) {
	p.begin(`{"max_tokens": 24, "seed": 7}`)
	p.say("My fellow citizens of the Senate and of the House of Representatives, what of the Union?")
	p.ended(2)
	p.wait(`[...document.querySelectorAll(".message")].at(-1).querySelector(".text")?.innerText.length > 20`)
	figures := eval[string](p, `document.querySelector(".figures").innerText`)
	for _, want := range []string{"tokens/s", "first after", "24 tokens", "read"} {
		p.has(figures, want)
	}
	p.has(eval[string](p, `document.querySelector(".ending").innerText`), "greatest length")
	p.wait(`document.querySelector(".gauge svg")?.getAttribute("aria-label").includes("of 4,096 tokens")`)
	p.say("And more of the same?")
	p.ended(4)
	p.wait(`/[1-9]\d* cached/.test([...document.querySelectorAll(".figures")].at(-1).innerText)`)
	p.click(`[aria-label="Settings of this chat"]`)
	p.wait(`document.querySelector("#set-top_k").placeholder !== "" && document.querySelector("#set-temperature").placeholder !== ""`)
	p.fresh()
	p.has(eval[string](p, `document.querySelector(".facts-line").innerText`), "llama 8")
}

// realStop: Stop keeps what came, and the server ends the answer too; Continue goes on in
// the same words.
func realStop(p *page, idle func()) {
	p.say("Speak of the Union for a long time.")
	p.text(80)
	p.click(".send.stop")
	p.ended(2)
	idle()
	p.has(eval[string](p, `document.querySelector(".ending").innerText`), "Stopped.")
	before := p.content()
	p.click(".ending .button")
	p.wait(fmt.Sprintf(`document.querySelector(".streaming .text")?.innerText.length > %d`, len(before)+40))
	p.click(".send.stop")
	p.ended(2)
	idle()
	if after := p.content(); !strings.HasPrefix(after, before) || len(after) <= len(before) {
		p.Errorf("%q went on as %q", before, after)
	}
}

// realRegenerate: asking again is a second version; the same seed says the same.
func realRegenerate(p *page, _ func()) {
	p.begin(`{"max_tokens": 16, "seed": 11}`)
	p.say("Of peace")
	p.ended(2)
	first := p.content()
	p.click(`.answered [aria-label="Ask again"]`)
	p.wait(`document.querySelector(".answered .branches")?.innerText.trim() === "2/2"`)
	p.ended(2)
	if again := p.content(); again != first || first == "" {
		p.Errorf("with one seed the model said %q and %q", first, again)
	}
	p.menu(`.answered [aria-label="More"]`, "Branch into a new chat")
	p.wait(`document.querySelector(".head h1").innerText === "Of peace (branch)"`)
	p.ended(2)
	p.say("And of war")
	p.ended(4)
}

// realEdit: an edited question is a branch with an answer of its own.
func realEdit(p *page, _ func()) {
	p.begin(`{"max_tokens": 12, "seed": 3}`)
	p.say("Of the treasury")
	p.ended(2)
	first := p.content()
	p.click(`.asked [aria-label="Edit"]`)
	p.do(chromedp.SendKeys(chromedp.CSS(".editor textarea"), " and the navy"))
	p.click(".editor .button.main")
	p.wait(`document.querySelector(".asked .branches")?.innerText.trim() === "2/2"`)
	p.ended(2)
	if p.content() == first {
		p.Errorf("another question has the same answer %q", first)
	}
	p.click(`.asked [aria-label="Version before"]`)
	p.wait(`document.querySelector(".bubble").innerText === "Of the treasury"`)
	if got := p.content(); got != first {
		p.Errorf("the first version is now %q, was %q", got, first)
	}
}

// realReload: a reload in mid-answer keeps what came; the server stops; it can go on.
func realReload(p *page, idle func()) {
	p.say("Speak of the Union for a long time.")
	p.text(200)
	p.do(chromedp.Reload())
	p.wait(`document.querySelector(".ending.bad")`)
	idle()
	before := p.content()
	if len(before) < 200 {
		p.Errorf("only %q was kept", before)
	}
	p.click(".ending .button")
	p.text(len(before) + 40)
	p.click(".send.stop")
	p.ended(2)
	if after := p.content(); !strings.HasPrefix(after, before) {
		p.Errorf("%q went on as %q", before, after)
	}
}

// realDropped: so does a connection that breaks.
func realDropped(p *page, idle func()) {
	p.say("Speak of the Union for a long time.")
	p.text(100)
	p.http.CloseClientConnections()
	p.ended(2)
	idle()
	p.has(eval[string](p, `document.querySelector(".ending.bad").innerText`), "The connection was lost.")
	before := p.content()
	p.click(".ending .button")
	p.text(len(before) + 20)
	p.click(".send.stop")
	p.ended(2)
	if after := p.content(); !strings.HasPrefix(after, before) {
		p.Errorf("%q went on as %q", before, after)
	}
}

// realTabs: a second tab shows the answer as it comes, and stops it.
func realTabs(p *page, idle func()) {
	p.say("Speak of the Union for a long time.")
	p.text(20)
	q := &page{T: p.T, url: p.url}
	q.tab(p.browser)
	q.visit("/" + eval[string](p, "location.hash"))
	q.text(100)
	q.click(".send.stop")
	q.ended(2)
	p.ended(2)
	idle()
	if a, b := p.content(), q.content(); a != b || a == "" {
		p.Errorf("the tabs have %q and %q", a, b)
	}
}

// realFiles: what is exported can be imported again, with what the answer was made of.
func realFiles(p *page, _ func()) {
	p.begin(`{"max_tokens": 12, "seed": 5}`)
	p.say("Of commerce")
	p.ended(2)
	content := p.content()
	file := p.downloads()
	p.menu(`.head [aria-label="This chat"]`, "Export as JSON")
	exported := file(".json")
	var out struct {
		Chats []struct {
			Messages []struct {
				Role, Content, Model, Fingerprint string
				Usage                             struct{ Prompt, Completion int }
			}
		}
	}
	b, err := os.ReadFile(exported)
	p.check(err)
	p.check(json.Unmarshal(b, &out))
	if m := out.Chats[0].Messages; len(m) != 2 || m[1].Content != content || m[1].Model != "sotu" || !strings.HasPrefix(m[1].Fingerprint, "sha256:") || m[1].Usage.Completion != 12 {
		p.Errorf("exported: %s", b)
	}
	p.do(chromedp.SetUploadFiles(chromedp.CSS("#import"), []string{exported}))
	p.wait(`document.querySelectorAll(".chat-row").length === 2`)
	eval[bool](p, `(document.querySelectorAll(".chat-row a")[document.querySelector(".chat-row a").getAttribute("aria-current") ? 1 : 0].click(), true)`)
	p.ended(2)
	if got := p.content(); got != content {
		p.Errorf("imported %q, exported %q", got, content)
	}
}

// realTooLong: where the context is full the numbers are told, and old turns are left out
// only when the user says so.
func realTooLong(p *page, _ func()) {
	p.begin(`{"max_tokens": 8}`)
	paste := func(words int) {
		eval[bool](p, fmt.Sprintf(`(() => { const d = new DataTransfer(); d.setData("text/plain", "people of the Union ".repeat(%d)); document.getElementById("draft").dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true, cancelable: true})); return true; })()`, words))
		p.wait(`document.querySelector(".composer .chip")`)
	}
	paste(500)
	p.say("First turn")
	p.ended(2)
	paste(700)
	p.say("Second turn")
	p.ended(4)
	said := eval[string](p, `document.querySelector(".ending.bad").innerText`)
	p.has(said, "longer than the context")
	p.has(said, "of 4,096 tokens")
	p.click(".ending .button")
	p.wait(`document.querySelector(".cut")`)
	p.wait(`!document.querySelector(".streaming") && !document.querySelector(".ending.bad")`)
}

// realProbabilities: the tokens of an answer are its text, each with what else there was.
func realProbabilities(p *page, _ func()) {
	p.begin(`{"max_tokens": 12, "logprobs": true}`)
	p.say("Of justice")
	p.ended(2)
	content := p.content()
	p.click(`[aria-label="Token probabilities"]`)
	p.wait(`document.querySelectorAll(".token").length >= 10`)
	if got := eval[string](p, `document.querySelector(".token-text").textContent`); strings.TrimSpace(got) != strings.TrimSpace(content) {
		p.Errorf("the tokens are %q, the answer %q", got, content)
	}
	eval[bool](p, `document.querySelectorAll(".token")[3].dispatchEvent(new MouseEvent("mouseover", {bubbles: true}))`)
	p.wait(`document.querySelectorAll(".token-about tbody tr").length === 5`)
}

// realModels: a model is loaded and unloaded, what it is made of lies somewhere, and a
// device's kernels are checked.
func realModels(p *page, _ func()) {
	p.visit("/#/models")
	p.wait(`document.querySelector(".model .badge")?.innerText === "Not loaded"`)
	press := func(label string) {
		eval[bool](p, fmt.Sprintf(`([...document.querySelectorAll(".model .button")].find((b) => b.innerText === %q).click(), true)`, label))
	}
	press("Load")
	p.wait(`document.querySelector(".model .badge.good")?.innerText === "Ready"`)
	p.wait(`document.querySelectorAll(".strip .cell").length >= 5`)
	text := eval[string](p, `document.querySelector(".model").innerText`)
	for _, want := range []string{"llama", "4,096 tokens", "sha256:", "embedding", "memory of sequences", "work memory", "weights"} {
		p.has(text, want)
	}
	p.click(`[aria-label="Check the kernels of cpu"]`)
	p.wait(`document.querySelector(".cards").innerText.includes("kernels answered as the reference does")`)
	p.wait(`[...document.querySelectorAll(".cards .badge.good")].length >= 2`)
	p.axe()
	press("Unload")
	p.wait(`document.querySelector(".model .badge")?.innerText === "Not loaded"`)
}

// realMeasure: bench and compare run and are drawn; what does not fit is said.
func realMeasure(p *page, _ func()) {
	p.visit("/#/measure")
	p.wait(`document.querySelector("#b-model").value`)
	fill := func(id, text string) {
		p.empty(id)
		p.do(chromedp.SendKeys(chromedp.CSS("#"+id), text))
	}
	fill("b-prompt", "32")
	fill("b-gen", "4, 8")
	fill("b-depth", "0, 32")
	fill("b-repeat", "2")
	p.click(".grid-form .button.main")
	p.wait(`document.querySelectorAll(".sheet-table tbody tr").length === 6`)
	p.wait(`document.querySelectorAll("[data-drawn] canvas").length === 2`)
	p.wait(`!document.querySelector(".grid-form progress")`) // the limits are measured again at the end
	p.has(eval[string](p, `document.querySelector(".sheet-table").innerText`), "pp32")
	fill("c-tokens", "8")
	eval[bool](p, `(document.querySelectorAll(".grid-form")[1].querySelector(".button.main").click(), true)`)
	p.wait(`document.querySelector(".verdict")?.innerText.includes("Equal bit for bit")`)
	p.axe()
	fill("b-depth", "9000")
	p.click(".grid-form .button.main")
	p.wait(`document.querySelector(".line.bad")?.innerText.includes("needs a context of 9056 tokens")`)
}

// axe fails where axe finds something on the page.
func (p *page) axe() {
	p.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "axe.min.js"))
	p.check(err)
	p.settle()
	for _, found := range axeFinds(p, string(source)) {
		p.Error(found)
	}
}
