package web

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"eclat/serve/web/webtest"
)

// views are the states of the app that are looked at, each in both themes at both widths.
var views = []struct {
	name string
	show func(p *page)
}{
	{"welcome", func(p *page) { p.fresh(); p.wait(`document.querySelector(".facts-line")`) }},
	{"chat", func(p *page) {
		p.fresh()
		p.say("Explain how a row of weights is read.")
		p.ended(2)
		p.wait(`document.querySelectorAll(".math math").length === 2 && document.querySelector(".hl-keyword")`)
		eval[bool](p, `(document.querySelector(".thread").scrollTop = 0, document.querySelector(".fold-head").click(), true)`)
		p.wait(`document.querySelector(".fold-body")`)
	}},
	{"list", func(p *page) {
		eval[bool](p, `(document.querySelector('.head [aria-label="Chats"]')?.click(), true)`)
		p.wait(`document.querySelector(".chat-row")`)
		p.settle()
	}},
	{"tools", func(p *page) {
		p.fresh()
		p.say("weather in Zürich?")
		p.ended(2)
		p.click(`.answered [aria-label="Ask again"]`)
		p.wait(`document.querySelector(".branches")`)
		p.ended(2)
	}},
	{"stopped", func(p *page) {
		p.fresh()
		p.say("drop rtl")
		p.ended(2)
	}},
	{"settings", func(p *page) {
		eval[bool](p, `(document.querySelector('[aria-label="Settings of this chat"]').click(), true)`)
		p.wait(`document.querySelector(".panel")`)
	}},
	{"tokens", func(p *page) {
		p.fresh()
		eval[bool](p, `document.querySelector(".panel") ? true : (document.querySelector('[aria-label="Settings of this chat"]').click(), true)`)
		p.wait(`document.querySelector("#set-logprobs")`)
		eval[bool](p, `(document.querySelector("#set-logprobs").click(), document.querySelector('[aria-label="Close the settings"]').click(), true)`)
		p.say("tell me a short story about a shard of light and what it meets")
		p.ended(2)
		p.click(`[aria-label="Token probabilities"]`)
		eval[bool](p, `document.querySelectorAll(".token")[3].dispatchEvent(new MouseEvent("mouseover", {bubbles: true}))`)
		p.wait(`document.querySelector(".token-about caption")`)
	}},
	{"models", func(p *page) { p.visit("/#/models"); p.wait(`document.querySelectorAll(".cards .card").length === 4`) }},
	{"measure", func(p *page) {
		p.visit("/#/measure")
		p.wait(`document.querySelector("#b-model").value`)
		p.click(".grid-form .button.main")
		p.wait(`document.querySelectorAll("[data-drawn] canvas").length === 2`)
	}},
}

// settle waits until nothing moves any more.
func (p *page) settle() {
	p.Helper()
	eval[bool](p, `Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished)).then(() => true, () => true)`)
}

// TestLook looks at every view in both themes on a desktop's and a phone's width: axe
// finds nothing, and nothing is wider than the page. With ECLAT_SHOTS set to a folder the
// pictures are kept there.
func TestLook(t *testing.T) {
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	ctx := chromium(t)
	for _, width := range []int64{1440, 390} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d-%s", width, scheme), func(t *testing.T) {
				p := open(t, ctx, &webtest.Server{})
				p.size(width, map[int64]int64{1440: 900, 390: 844}[width])
				p.colours(scheme)
				for _, v := range views {
					v.show(p)
					p.settle()
					if keep := os.Getenv("ECLAT_SHOTS"); keep != "" {
						shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
						p.check(err)
						p.check(os.WriteFile(filepath.Join(keep, fmt.Sprintf("%s-%d-%s.png", v.name, width, scheme)), shot, 0o644))
					}
					if wide := eval[string](p, `[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".wide, pre, .thread .display, .side, .strip, .unseen, .menu-list, .uplot, svg")).map((e) => e.tagName + "." + e.className).slice(0, 5).join(", ")`); wide != "" {
						t.Errorf("%s: wider than the page: %s", v.name, wide)
					}
					for _, found := range axeFinds(p, string(axe)) {
						t.Errorf("%s: %s", v.name, found)
					}
				}
			})
		}
	}
}

// axeFinds runs axe over the page and returns what it finds, a line each.
func axeFinds(p *page, axe string) (lines []string) {
	p.Helper()
	if !eval[bool](p, `typeof axe === "object"`) {
		_, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](axe+"\n;0"))
		p.check(err)
	}
	var found []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	p.check(json.Unmarshal([]byte(eval[string](p, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => ({html: n.html.slice(0, 200), failureSummary: n.failureSummary}))}))))`)), &found))
	for _, f := range found {
		for _, n := range f.Nodes {
			lines = append(lines, fmt.Sprintf("axe %s: %s: %s: %s", f.ID, f.Help, n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", " ")))
		}
	}
	return lines
}
