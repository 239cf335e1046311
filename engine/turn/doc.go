// Package turn answers one turn of a conversation: a template makes the prompt of it, the
// engine goes on with it, and the tokens are taken apart into reasoning, answer and calls.
//
//	turn.go     Model, Prompt: a model with its template; conversations to ids
//	request.go  Request, Answer: what is asked for, and what comes
//	reader.go   tokens to deltas, up to a stop string
//	guide.go    which tokens may come: a grammar, a call that is asked for, an end of reasoning
//
// What may come is decided where tokens are chosen, on the scheduler's goroutine, with a
// reader of its own: nothing is generated that is not part of the answer, and the same
// tokens come in any batch, with drafts or without.
//
// A Model is for any number of goroutines. An Answer belongs to one.
package turn
