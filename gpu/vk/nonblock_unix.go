//go:build unix

package vk

import "syscall"

// nonblock keeps an open of a FIFO that took a plain file's place from waiting.
const nonblock = syscall.O_NONBLOCK
