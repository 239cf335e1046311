package out

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar is a progress bar on stderr. It shows only on a terminal, and only when
// the work takes long enough to wonder. A message takes it off the screen; the next
// Set shows it again.
type Bar struct {
	label string
	bytes bool
	start time.Time
	bar   *progressbar.ProgressBar
}

const barDelay = 300 * time.Millisecond

// NewBar makes a bar with a label; of bytes, or of a count.
func NewBar(label string, bytes bool) *Bar {
	return &Bar{label: Escape(label), bytes: bytes, start: time.Now()}
}

// Set shows how far the work is; at its end the bar goes.
func (b *Bar) Set(done, total int64) {
	if done >= total {
		b.Clear()
		return
	}
	if time.Since(b.start) < barDelay || !IsTerminal(os.Stderr) {
		return
	}
	stderr.Lock()
	defer stderr.Unlock()
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(os.Stderr),
			progressbar.OptionSetDescription(b.label),
			progressbar.OptionShowBytes(b.bytes),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(65*time.Millisecond),
			progressbar.OptionClearOnFinish())
	}
	stderr.bar = b
	b.bar.Set64(done)
}

// describe changes the label.
func (b *Bar) describe(label string) {
	stderr.Lock()
	defer stderr.Unlock()
	if b.label = Escape(label); b.bar != nil {
		b.bar.Describe(b.label)
	}
}

// Clear takes the bar off the screen; the next Set begins a new one.
func (b *Bar) Clear() {
	stderr.Lock()
	defer stderr.Unlock()
	b.hide()
	b.bar = nil
}

// hide takes the bar off the screen, under the lock.
func (b *Bar) hide() {
	if b.bar != nil {
		b.bar.Clear()
	}
	if stderr.bar == b {
		stderr.bar = nil
	}
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
