package host

import (
	"bufio"
	"cmp"
	"io"
	"os"
	"runtime"
	"strings"
)

// Chunk is how many tokens of a prompt go through the model at once: enough to
// decode each weight once for many, few enough that progress shows.
const Chunk = 128

// Processor returns the name of the machine's processor, or of its architecture
// where the system does not tell.
func Processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	return cmp.Or(modelName(f), runtime.GOARCH)
}

// modelName finds the first processor's name in a cpuinfo; empty where it has none.
func modelName(r io.Reader) string {
	for s := bufio.NewScanner(r); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Threads returns how many goroutines n stands for: 0 is one a core.
func Threads(n int) int {
	if n <= 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}
