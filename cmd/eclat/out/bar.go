package out

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar is a progress bar on stderr. It shows only on a terminal, and only when
// the work takes long enough to wonder.
type Bar struct {
	label string
	bytes bool
	start time.Time
	bar   *progressbar.ProgressBar
}

const barDelay = 300 * time.Millisecond

// NewBar makes a bar with a label; of bytes, or of a count.
func NewBar(label string, bytes bool) *Bar {
	return &Bar{label: label, bytes: bytes, start: time.Now()}
}

// Set shows how far the work is; at its end the bar goes.
func (b *Bar) Set(done, total int64) {
	if done >= total {
		b.Clear()
		return
	}
	if b.bar == nil {
		if time.Since(b.start) < barDelay || !IsTerminal(os.Stderr) {
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

// Clear takes the bar off the screen.
func (b *Bar) Clear() {
	if b.bar != nil {
		b.bar.Clear()
		b.bar = nil
	}
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
