//go:build !unix

package vk

const nonblock = 0
