package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"eclat/testdata"
)

// browser starts a headless Chromium, or skips.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium is installed: pages are not looked at (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 1100),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// complaints collects what a page must not do: errors on the console, exceptions,
// requests that leave the file.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) listen(ctx context.Context) error {
	add := func(format string, args ...any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, fmt.Sprintf(format, args...))
	}
	return chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
				add("console %s: %v", ev.Type, ev.Args)
			}
		case *runtime.EventExceptionThrown:
			add("exception: %v", ev.ExceptionDetails)
		case *network.EventRequestWillBeSent:
			if u := ev.Request.URL; !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") {
				add("request: %s", u)
			}
		}
	})
}

// view renders the page as a medium and a colour scheme would have it.
func view(ctx context.Context, medium, scheme string) (image.Image, []byte, error) {
	media := emulation.SetEmulatedMediaParams{Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		return nil, nil, err
	}
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return nil, nil, err
	}
	m, err := png.Decode(bytes.NewReader(shot))
	return m, shot, err
}

// brightness is the mean of a picture's pixels, 0…1, and the number of its colours.
func brightness(m image.Image) (mean float64, colours int) {
	seen := map[uint32]bool{}
	b := m.Bounds()
	n := 0
	for y := b.Min.Y; y < b.Max.Y; y += 2 {
		for x := b.Min.X; x < b.Max.X; x += 2 {
			r, g, bl, _ := m.At(x, y).RGBA()
			mean += float64(r+g+bl) / (3 * 0xffff)
			seen[r>>8<<16|g>>8<<8|bl>>8] = true
			n++
		}
	}
	return mean / float64(n), len(seen)
}

// TestReports looks at the pages in a real browser: every chart holds marks, or says
// that the sides are equal, no script fails, nothing is asked of the network, dark is dark, light and print are
// light. With ECLAT_SHOTS set to a folder the pictures are kept there.
func TestReports(t *testing.T) {
	ctx := browser(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ok(t, "", "bench", "--device", "cpu", "-p", "32", "-n", "16", "-d", "0,128,384", "-r", "3", "--report", file("bench.html"))
	ok(t, "", "bench", "--device", "cpu,ref", "-p", "8", "-n", "4", "-r", "2", "--report", file("devices.html"))
	ok(t, "", "compare", "--device", "cpu", "-n", "48", "--report", file("compare.html"))
	eclat(t, "", "compare", damaged(t, "blk.2.ffn_up.weight", 1.02), "--device", "cpu", "--against", "cpu",
		"--against-model", writeModel(t, testdata.Model), "-n", "24", "--report", file("damaged.html"))

	for name, charts := range map[string]int{"bench": 3, "devices": 4, "compare": 2, "damaged": 2} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := chromedp.NewContext(ctx)
			defer cancel()
			var bad complaints
			if err := bad.listen(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 1100), chromedp.Navigate("file://"+file(name+".html"))); err != nil {
				t.Fatal(err)
			}
			drawn, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.documentElement.dataset.drawn ?? ""`))
			if err != nil {
				t.Fatal(err)
			}
			marks, err := chromedp.Run(ctx, chromedp.Evaluate[[]int](`[...document.querySelectorAll(".chart")].map((c) => c.querySelectorAll("svg circle, svg rect, svg path").length)`))
			if err != nil {
				t.Fatal(err)
			}
			if drawn != fmt.Sprint(charts) || len(marks) != charts {
				t.Errorf("%s charts drawn, %d on the page; want %d", drawn, len(marks), charts)
			}
			equal, err := chromedp.Run(ctx, chromedp.Evaluate[int](`[...document.querySelectorAll(".chart")].filter((c) => c.textContent.includes("the two sides are equal")).length`))
			if err != nil {
				t.Fatal(err)
			}
			if want := map[string]int{"compare": charts}[name]; equal != want { // cpu and ref
				t.Errorf("%d charts say that the sides are equal, want %d", equal, want)
			}
			for i, n := range marks {
				if equal == 0 && n < 5 || equal > 0 && n > 0 {
					t.Errorf("chart %d holds %d marks, %d charts are of equal sides", i, n, equal)
				}
			}
			for _, v := range []struct {
				medium, scheme string
				least, most    float64 // mean brightness
			}{{"screen", "light", 0.8, 1}, {"screen", "dark", 0, 0.3}, {"print", "dark", 0.8, 1}} {
				m, shot, err := view(ctx, v.medium, v.scheme)
				if err != nil {
					t.Fatal(err)
				}
				if keep := os.Getenv("ECLAT_SHOTS"); keep != "" {
					if err := os.WriteFile(filepath.Join(keep, name+"-"+v.medium+"-"+v.scheme+".png"), shot, 0o644); err != nil {
						t.Error(err)
					}
				}
				swatch, err := chromedp.Run(ctx, chromedp.Evaluate[float64](`Math.max(0, ...[...document.querySelectorAll(".plot-swatches svg")].map((s) => s.clientWidth))`))
				if err != nil || swatch > 20 {
					t.Errorf("%s: a legend's square is %g pixels wide, %v", v.medium, swatch, err)
				}
				if mean, colours := brightness(m); mean < v.least || mean > v.most || colours < 50 {
					t.Errorf("%s, %s: brightness %.2f, %d colours", v.medium, v.scheme, mean, colours)
				}
			}
			bad.mu.Lock()
			defer bad.mu.Unlock()
			if len(bad.list) > 0 {
				t.Errorf("the page complains: %s", strings.Join(bad.list, "; "))
			}
		})
	}
}

// TestReportStandsAlone: a page names no other file, and its text is safe whatever
// the model's name holds.
func TestReportStandsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.html")
	ok(t, "", "bench", "--device", "cpu", "-p", "4", "-n", "2", "-r", "1", "--report", path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{` src="`, `<link rel="stylesheet"`, "@import", "url(http"} {
		if bytes.Contains(b, []byte(bad)) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if len(b) > 1<<20 {
		t.Errorf("%d bytes", len(b))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
