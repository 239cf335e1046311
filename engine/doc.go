// Package engine opens a model on devices and turns tokens into tokens, for many
// callers at once.
//
//	engine.go    Open, Close: a model, its tokenizer, its chain of devices
//	place.go     which layers lie on which device
//	layout.go    what lies where, for people
//	where.go     the same in a line, kept as it is now
//	chain.go     the stages, one after the other
//	link.go      one stage on its device; where another machine is lost, its place is taken
//	rounded.go   where rows travel in a format that rounds them: whatever stands there rounds so
//	home.go      where nobody is left to take it, this machine does
//	journal/     what a stage on another machine was sent, and the proof that it came again
//	check.go     what other machines answer, computed once more before it is told
//	flight.go    several batches on their way over several machines
//	schedule.go  the goroutine that owns the chain: each step is one batch
//	batch.go     the next batch: answers first, then chunks of prompts
//	sequence.go  one request on its way: its tokens and its memory
//	pages.go     units of memory with reference counts
//	state.go     slots: a sequence's own copy, and the way back to where it stood
//	prefix.go    pages of prompts that may be read again, and snapshots of states
//	queue.go     requests that wait, a fair turn for each caller
//	request.go   what callers see: Request, Stream, Generate
//	speculate.go guesses at what follows, run with what is known
//	save.go      sessions: a text with its memory, in a file
//	kept.go      pages of prompts, to be kept where they outlive the program
//	score.go     probabilities of a given text
//	embed.go     a text's embedding
//	proof.go     the sum of a request's logits, to show that two machines computed the same
//	probe.go     every activation, or the time of every step, of one sequence
//
// One goroutine owns the chain and everything in it; while several batches are on their way
// it lends each stage but the last to a goroutine that ends with them. Everybody else submits requests
// and receives streams, from any goroutine; nobody waits for a lock while a device
// computes. A slow reader of a stream holds up nobody but its own sequence: where
// memory or places are short that one gives way, and is computed anew once it is read.
//
// Close ends all requests and waits for the running step.
package engine
