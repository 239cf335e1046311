package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar is a progress bar on stderr. It shows only on a terminal, and only when
// the work takes long enough to wonder.
type bar struct {
	label string
	bytes bool
	start time.Time
	bar   *progressbar.ProgressBar
}

const barDelay = 300 * time.Millisecond

func newBar(label string, bytes bool) *bar {
	return &bar{label: label, bytes: bytes, start: time.Now()}
}

// set shows how far the work is; at its end the bar goes.
func (b *bar) set(done, total int64) {
	if done >= total {
		b.clear()
		return
	}
	if b.bar == nil {
		if time.Since(b.start) < barDelay || !isTerminal(os.Stderr) {
			return
		}
		b.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionSetDescription(b.label),
			progressbar.OptionShowBytes(b.bytes),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(65*time.Millisecond),
			progressbar.OptionClearOnFinish())
	}
	b.bar.Set64(done)
}

// clear takes the bar off the screen.
func (b *bar) clear() {
	if b.bar != nil {
		b.bar.Clear()
		b.bar = nil
	}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
