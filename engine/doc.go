// Package engine opens a model on devices and turns text into text.
//
// An Engine owns the mapped file, the tokenizer and a chain of stages, each a
// contiguous range of layers on one backend. A Session is one sequence: its
// tokens and the pages of key–value memory they fill. Generate and Score run the
// chain for a session.
//
// Any number of goroutines may hold sessions of one Engine; runs of the chain
// take turns. A Session itself belongs to one goroutine at a time. Close sessions
// before their Engine.
package engine
