package host

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"eclat/model"
)

func TestMemAvailable(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\nBuffers: 1 kB\n": 8000000 << 10,
		"MemAvailable: 0 kB": 0,
	} {
		if got, ok := memAvailable([]byte(text)); !ok || got != want {
			t.Errorf("%q: %d %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "MemTotal: 5 kB\n", "MemAvailable:", "MemAvailable: many kB", "MemAvailable: -4 kB"} {
		if got, ok := memAvailable([]byte(text)); ok {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// The mounts of a system with version 2, and of one with version 1.
const (
	mounts2 = "25 1 0:22 / /proc rw - proc proc rw\n30 25 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mounts1 = "31 25 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n33 25 0:29 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
	// In a container the group itself is what is mounted.
	mounts1in = "33 25 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
)

func TestAvailable(t *testing.T) {
	const meminfo = "MemAvailable: 1000000 kB\n"
	for _, c := range []struct {
		name      string
		files     map[string]string
		addresses int64
		want      int64
	}{
		{"no /proc", nil, math.MaxInt64, 0},
		{"no groups", map[string]string{"proc/meminfo": meminfo}, math.MaxInt64, 1000000 << 10},
		{"v2 without a limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": mounts2,
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.current": "5\n",
		}, math.MaxInt64, 1000000 << 10},
		{"v2, the group", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": mounts2,
			"sys/fs/cgroup/a/b/memory.max": "5000\n", "sys/fs/cgroup/a/b/memory.current": "2000\n",
			"sys/fs/cgroup/a/memory.max": "90000\n", "sys/fs/cgroup/a/memory.current": "2000\n",
		}, math.MaxInt64, 3000},
		{"v2, one above, whose cache counts as free", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": mounts2,
			"sys/fs/cgroup/a/b/memory.max": "5000\n", "sys/fs/cgroup/a/b/memory.current": "1000\n",
			"sys/fs/cgroup/a/memory.max": "9000\n", "sys/fs/cgroup/a/memory.current": "8000\n",
			"sys/fs/cgroup/a/memory.stat": "anon 3\ninactive_file 500\n",
		}, math.MaxInt64, 1500},
		{"v2 at its end", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mounts2,
			"sys/fs/cgroup/memory.max": "5000\n", "sys/fs/cgroup/memory.current": "6000\n",
		}, math.MaxInt64, 1},
		{"v1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "4:cpu:/x\n2:memory:/a\n0::/\n", "proc/self/mountinfo": mounts1,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "7\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4096\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "96\n",
		}, math.MaxInt64, 4000},
		{"v1 in a container", map[string]string{
			"proc/self/cgroup": "2:memory:/docker/abc\n", "proc/self/mountinfo": mounts1in,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1096\n",
		}, math.MaxInt64, 3000},
		{"address space", map[string]string{"proc/meminfo": meminfo, "proc/self/statm": "0 5 5\n"}, runtimeAddresses + 1<<20, 1 << 20},
		{"address space for the runtime alone", map[string]string{"proc/meminfo": meminfo, "proc/self/statm": "0 5 5\n"}, runtimeAddresses, 1},
		{"nonsense", map[string]string{
			"proc/meminfo": "MemAvailable:\x00", "proc/self/cgroup": "0::\n::::\nx", "proc/self/mountinfo": " - \n1 - cgroup2\n",
		}, math.MaxInt64, 0},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := available(root, c.addresses); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestFreeBytes(t *testing.T) {
	const total, page = 16 << 30, 16 << 10
	for _, c := range []struct {
		counts map[string]uint32
		want   int64
	}{
		{map[string]uint32{"vm.page_free_count": 3000, "vm.page_pageable_external_count": 500000}, 503000 * page},
		{map[string]uint32{"vm.page_free_count": 0, "vm.page_pageable_external_count": 0}, 1},
		{map[string]uint32{"vm.page_free_count": math.MaxUint32, "vm.page_pageable_external_count": math.MaxUint32}, total},
		{map[string]uint32{"vm.page_free_count": 3000}, total},
		{map[string]uint32{"vm.page_pageable_external_count": 3000}, total},
	} {
		got := freeBytes(total, page, func(name string) (uint32, error) {
			if n, ok := c.counts[name]; ok {
				return n, nil
			}
			return 0, errors.New("no such counter")
		})
		if got != c.want {
			t.Errorf("%v: %d bytes, want %d", c.counts, got, c.want)
		}
	}
}

func TestModelName(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nprocessor\t: 1\nmodel name\t: Other\n": "Some CPU @ 2.00GHz",
		"processor : 0\nBogoMIPS : 50\n": "",
		"":                               "",
	} {
		if got := modelName(strings.NewReader(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if Processor() == "" {
		t.Error("the processor has no name")
	}
}

func TestMake(t *testing.T) {
	if x, err := Make[uint16](3, 5, "x"); err != nil || len(x) != 15 {
		t.Errorf("%d elements, %v", len(x), err)
	}
	for _, c := range [][2]int64{{-1, 1}, {1, -1}, {math.MaxInt64, math.MaxInt64}, {1 << 32, 1 << 32}, {1 << 46, 1}, {math.MinInt64, math.MinInt64}} {
		if x, err := Make[float32](c[0], c[1], "x"); !errors.Is(err, model.ErrNoMemory) {
			t.Errorf("%d × %d: %d elements, error %v", c[0], c[1], len(x), err)
		}
	}
	if have := AvailableMemory(); have > 0 && have < addressable/2 {
		_, err := Make[byte](2, have, "twice all there is")
		if !errors.Is(err, model.ErrNoMemory) || !strings.Contains(err.Error(), "MiB are available") {
			t.Errorf("twice all there is: %v", err)
		}
	} else {
		t.Log("the system does not tell how much memory it has: a request for twice as much is left out")
	}
}

func TestArithmetic(t *testing.T) {
	const top = math.MaxInt64
	for _, c := range [][3]int64{{3, 4, 12}, {top, 1, top}, {top, 2, top}, {1 << 32, 1 << 31, top}, {1 << 31, 1 << 31, 1 << 62}, {-1, 5, top}, {0, top, 0}} {
		if got := product(c[0], c[1]); got != c[2] {
			t.Errorf("%d · %d = %d, want %d", c[0], c[1], got, c[2])
		}
	}
	if got := sum(top, 1); got != top {
		t.Errorf("sum out of range: %d", got)
	}
	if mib(1) != 1 || mib(1<<20) != 1 || mib(1<<20+1) != 2 || mib(0) != 0 {
		t.Error("mib does not round up")
	}
}

func TestRates(t *testing.T) {
	for name, measure := range map[string]func(int) (float64, error){"copies": CopyRate, "reads": ReadRate} {
		for _, threads := range []int{1, 3} {
			if rate, err := measure(threads); err != nil || !(rate > 0) || math.IsInf(rate, 0) {
				t.Errorf("%s %g bytes a second with %d threads, %v", name, rate, threads, err)
			}
		}
	}
}

// TestSumWords: every byte is read.
func TestSumWords(t *testing.T) {
	x := make([]byte, 256)
	for i := range x {
		x[i] = 1
		if got, want := sumWords(x), uint64(1)<<(i%8*8); got != want {
			t.Errorf("byte %d: sum %#x, want %#x", i, got, want)
		}
		x[i] = 0
	}
}
