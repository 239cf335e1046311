package host

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// runtimeAddresses is kept of a limited address space for what asks for it later
// and cannot be refused: the Go heap grows by 64 MiB of addresses at a time, and each
// thread of a driver takes a stack of 8 MiB and as much as 128 MiB for its malloc.
// Running out of it ends the program without an error.
const runtimeAddresses = 384 << 20

// available reads the files of a Linux system at root. addresses limits the
// process's address space.
func available(root fs.FS, addresses int64) int64 {
	have := int64(math.MaxInt64)
	if data, err := fs.ReadFile(root, "proc/meminfo"); err == nil {
		if n, ok := memAvailable(data); ok {
			have = n
		}
	}
	if data, err := fs.ReadFile(root, "proc/self/cgroup"); err == nil {
		mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
		have = min(have, cgroupRoom(root, data, mounts))
	}
	if addresses < math.MaxInt64 {
		if data, err := fs.ReadFile(root, "proc/self/statm"); err == nil {
			if pages, ok := firstNumber(data); ok {
				have = min(have, max(1, addresses-runtimeAddresses-pages*int64(os.Getpagesize())))
			}
		}
	}
	if have == math.MaxInt64 {
		return 0
	}
	return have
}

// freeBytes is what a darwin can give of total bytes, by its counters of pages: what
// is free and what holds files, which are read again. Without the counters it is
// total.
func freeBytes(total, page int64, count func(name string) (uint32, error)) int64 {
	free, err := count("vm.page_free_count")
	if err != nil {
		return total
	}
	files, err := count("vm.page_pageable_external_count")
	if err != nil {
		return total
	}
	return max(1, min(total, (int64(free)+int64(files))*page))
}

// memAvailable reads MemAvailable of a /proc/meminfo, in bytes.
func memAvailable(meminfo []byte) (int64, bool) {
	for line := range bytes.Lines(meminfo) {
		if rest, ok := bytes.CutPrefix(line, []byte("MemAvailable:")); ok {
			kib, ok := firstNumber(rest)
			return product(kib, 1<<10), ok
		}
	}
	return 0, false
}

// firstNumber reads the first word as a number that is not negative.
func firstNumber(text []byte) (int64, bool) {
	words := bytes.Fields(text)
	if len(words) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(words[0]), 10, 64)
	return n, err == nil && n >= 0
}

// cgroupRoom returns how many bytes the process's control groups leave it, the least
// of its own group and all above; the largest number where nothing limits them.
// Version 2 has one tree; version 1 has one for memory. (man 7 cgroups.)
func cgroupRoom(root fs.FS, groups, mounts []byte) int64 {
	room := int64(math.MaxInt64)
	for line := range strings.Lines(string(groups)) { // ID:CONTROLLERS:PATH
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		switch {
		case part[0] == "0" && part[1] == "":
			room = min(room, groupRoom(root, mounts, "cgroup2", part[2], "memory.max", "memory.current"))
		case strings.Contains(","+part[1]+",", ",memory,"):
			room = min(room, groupRoom(root, mounts, "cgroup", part[2], "memory.limit_in_bytes", "memory.usage_in_bytes"))
		}
	}
	return room
}

// groupRoom walks from a group up to the root of its tree. File cache counts as
// used in a group, but is given back when memory is short.
func groupRoom(root fs.FS, mounts []byte, fstype, group, limitFile, usageFile string) int64 {
	room := int64(math.MaxInt64)
	at, top := mountPoint(mounts, fstype)
	if at == "" {
		return room
	}
	if rest, ok := strings.CutPrefix(group, top); ok && top != "/" { // a part of the tree is mounted
		group = rest
	}
	read := func(group, name string) (int64, bool) {
		data, err := fs.ReadFile(root, strings.TrimPrefix(path.Join(at, group, name), "/"))
		if err != nil {
			return 0, false
		}
		return firstNumber(data) // "max" is no number
	}
	for group = path.Join("/", group); ; group = path.Dir(group) {
		limit, limited := read(group, limitFile)
		if used, ok := read(group, usageFile); ok && limited {
			if stat, err := fs.ReadFile(root, strings.TrimPrefix(path.Join(at, group, "memory.stat"), "/")); err == nil {
				used = max(0, used-inactiveFile(stat))
			}
			room = min(room, max(1, limit-used))
		}
		if group == "/" {
			return room
		}
	}
}

// inactiveFile reads how much of a group's memory is file cache that nobody used lately.
func inactiveFile(stat []byte) (n int64) {
	for line := range bytes.Lines(stat) {
		for _, name := range []string{"inactive_file ", "total_inactive_file "} {
			if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
				if v, ok := firstNumber(rest); ok {
					n = max(n, v)
				}
			}
		}
	}
	return n
}

// mountPoint finds where a /proc/self/mountinfo has a tree of control groups with
// memory in it, and which group is its top.
func mountPoint(mounts []byte, fstype string) (at, top string) {
	for line := range strings.Lines(string(mounts)) {
		// ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELDS…] - TYPE SOURCE SUPEROPTIONS
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 || r[0] != fstype {
			continue
		}
		if fstype == "cgroup" && !strings.Contains(","+r[2]+",", ",memory,") {
			continue
		}
		return l[4], l[3]
	}
	return "", ""
}
