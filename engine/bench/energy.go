package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// powercap is where Linux shows the energy counters of processors (RAPL).
const powercap = "/sys/class/powercap"

// Meter reads the energy that the processor packages have used. A nil Meter reads
// nothing. Cards are not counted: their drivers show power in no common way.
type Meter struct{ zones []zone }

type zone struct {
	path string
	wrap float64 // microjoules at which the counter starts again
}

// NewMeter returns a meter, or nil where the system does not show energy or not
// to this user.
func NewMeter() *Meter { return meterAt(powercap) }

func meterAt(dir string) *Meter {
	// intel-rapl:0, intel-rapl:1 … are packages (on AMD too); intel-rapl:0:0 and so
	// on are parts of them, and intel-rapl-mmio repeats them.
	paths, _ := filepath.Glob(filepath.Join(dir, "intel-rapl:*"))
	m := &Meter{}
	for _, p := range paths {
		if strings.Count(filepath.Base(p), ":") != 1 || strings.HasPrefix(text(filepath.Join(p, "name")), "psys") {
			continue
		}
		if _, err := strconv.ParseFloat(text(filepath.Join(p, "energy_uj")), 64); err != nil {
			continue
		}
		wrap, _ := strconv.ParseFloat(text(filepath.Join(p, "max_energy_range_uj")), 64)
		m.zones = append(m.zones, zone{filepath.Join(p, "energy_uj"), wrap})
	}
	if len(m.zones) == 0 {
		return nil
	}
	return m
}

func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Joules returns the counters, one a package; nil for a nil Meter.
func (m *Meter) Joules() []float64 {
	if m == nil {
		return nil
	}
	out := make([]float64, len(m.zones))
	for i, z := range m.zones {
		uj, _ := strconv.ParseFloat(text(z.path), 64)
		out[i] = uj / 1e6
	}
	return out
}

// Since returns the joules used since the counters stood at before, by all packages.
func (m *Meter) Since(before []float64) float64 {
	var sum float64
	for i, now := range m.Joules() {
		d := now - before[i]
		if d < 0 {
			d += m.zones[i].wrap / 1e6
		}
		sum += d
	}
	return sum
}
