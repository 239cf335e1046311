// Package sample picks tokens from logits: filters, temperature, penalties, and random
// numbers that are a function of the seed and the position alone, so that the same
// request gives the same text wherever and in whatever company it runs.
//
// The functions keep no state; a Sampler keeps scratch memory and belongs to one
// goroutine.
package sample
