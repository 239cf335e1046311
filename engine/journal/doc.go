// Package journal keeps what a stage of a model was sent, as far as the memory that it
// keeps hangs on it, and sends it again to another device.
//
//	log.go     the log: runs with their rows, copies, restored units
//	live.go    what memory still hangs on; the rest is forgotten
//	replay.go  the log again, in chunks, and the sums of what is answered
//
// A stage's memory is a function of what it was sent, and every device computes the same
// bits. So a stage that gets the same rows at the same positions has the same memory, and
// what it answers on the way must have the sums of what was answered before: that is the
// proof that the place of a lost device was taken without a difference, and the check of a
// device that is not trusted. Runs of a few tokens each come again as chunks, which cost a
// device much less; the bits of a row do not hang on what it is computed with.
//
// A Log belongs to one goroutine, the one that owns the stage.
package journal
