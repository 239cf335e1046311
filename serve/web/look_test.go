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

// view is a state of the app that is looked at, in both themes at both widths.
type view struct {
	name string
	show func(p *page)
}

// views are those on the scripted server.
var views = []view{
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
	{"models", func(p *page) { p.visit("/#/models"); p.wait(`document.querySelectorAll(".cards .card").length === 5`) }},
	{"measure", func(p *page) {
		p.visit("/#/measure")
		p.wait(`document.querySelector("#b-model").value`)
		p.click(".grid-form .button.main")
		p.wait(`document.querySelectorAll("[data-drawn] canvas").length === 2`)
	}},
}

// realViews are those on the real server, with the built-in model.
var realViews = []view{
	{"real-chat", func(p *page) {
		if eval[int](p, `document.querySelectorAll(".message").length`) == 0 {
			p.begin(`{"max_tokens": 120, "seed": 1, "temperature": 0.6}`)
			p.say("What is the state of the Union?")
			p.ended(2)
			p.say("And of the treasury?")
			p.ended(4)
		}
	}},
	{"real-welcome", func(p *page) { p.fresh(); p.wait(`document.querySelector(".facts-line")`) }},
	{"real-models", func(p *page) {
		p.visit("/#/models")
		p.wait(`document.querySelector(".strip")`)
		eval[bool](p, `(document.querySelector('[aria-label="Check the kernels of cpu"]')?.click(), true)`)
		p.wait(`document.querySelector(".cards").innerText.includes("answered as the reference does")`)
	}},
	{"real-measure", func(p *page) {
		p.visit("/#/measure")
		p.wait(`document.querySelector("#b-model").value`)
		for id, text := range map[string]string{"b-prompt": "64", "b-gen": "16", "b-depth": "0, 64, 128, 256", "b-repeat": "2", "c-tokens": "16"} {
			p.empty(id)
			p.do(chromedp.SendKeys(chromedp.CSS("#"+id), text))
		}
		p.click(".grid-form .button.main")
		p.wait(`document.querySelectorAll("[data-drawn] canvas").length === 2 && document.querySelectorAll(".sheet-table tbody tr").length === 8 && !document.querySelector(".grid-form progress")`)
		eval[bool](p, `(document.querySelectorAll(".grid-form")[1].querySelector(".button.main").click(), true)`)
		p.wait(`document.querySelector(".verdict")`)
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
	ctx := chromium(t)
	for _, width := range []int64{1440, 390} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d-%s", width, scheme), func(t *testing.T) { look(open(t, ctx, &webtest.Server{}), views, width, scheme) })
		}
	}
}

// TestRealLook is TestLook on the real server.
func TestRealLook(t *testing.T) {
	ctx := chromium(t)
	h, _ := RealServer(t, "")
	for _, width := range []int64{1440, 390} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d-%s", width, scheme), func(t *testing.T) { look(openOn(t, ctx, h), realViews, width, scheme) })
		}
	}
}

func look(p *page, views []view, width int64, scheme string) {
	axe, err := os.ReadFile("testdata/axe.min.js")
	p.check(err)
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
			p.Errorf("%s: wider than the page: %s", v.name, wide)
		}
		for _, found := range axeFinds(p, string(axe)) {
			p.Errorf("%s: %s", v.name, found)
		}
	}
}

// TestNoJumps: while an answer streams nothing that stands on the page moves by itself:
// Chromium's own measure of layout shifts stays 0 but for the column's scrolling.
func TestNoJumps(t *testing.T) {
	p := open(t, chromium(t), &webtest.Server{})
	p.say("explain rows") // brings the libraries
	p.ended(2)
	p.wait(`document.querySelectorAll(".math math").length === 2 && document.querySelector(".hl-keyword")`)
	eval[bool](p, `(() => { window.shifts = []; new PerformanceObserver((l) => { for (const e of l.getEntries()) window.shifts.push([e.value, e.sources.map((s) => s.node?.className ?? s.node?.nodeName).join(" ")]); }).observe({type: "layout-shift"}); return true; })()`)
	p.fresh()
	for i, text := range []string{"slow please", "think hard", "explain rows", "weather"} {
		p.say(text)
		if i == 0 {
			p.wait(`document.querySelector(".streaming .text")?.innerText.length > 900`)
			p.click(".send.stop")
		}
		p.ended(2 * (i + 1))
	}
	eval[bool](p, `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true), 0)))`)
	var shifts [][2]any
	p.check(json.Unmarshal([]byte(eval[string](p, `JSON.stringify(window.shifts)`)), &shifts))
	sum := 0.
	for _, s := range shifts {
		sum += s[0].(float64)
	}
	t.Logf("%d shifts, together %.4f: %v", len(shifts), sum, shifts)
	if sum > 0.1 { // what Chromium's authors call good
		t.Errorf("the layout shifts by %.3f: %v", sum, shifts)
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
