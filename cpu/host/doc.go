// Package host is what the two devices on the processor, package cpu and its
// reference, know of the machine: the processor's name, how much memory can be had,
// how fast it is copied, and how much of a model fits. There is no arithmetic of
// models here.
//
// All functions may be called from any goroutine.
package host
