// Package compare tells how far two computations of one model are apart, tensor
// by tensor and token by token.
//
// Both sides are given the same tokens (teacher forcing), so a difference at one
// position is not the answer to an earlier one. A side is a model on a device
// (Live) or a run that was saved before (Saved); each yields, position by
// position, the values of every step of the model. Run walks both, judges them by
// Limits and finds the first tensor, in the order of computing, that is apart.
//
// Nothing here is safe for use by several goroutines at once.
package compare
