// Package sample picks tokens from logits. Settings say how; a Sampler does it, in the
// field's order, each step taking what the one before leaves:
//
//	bias         l ← l + bias, −∞ bans the token
//	penalties    c > 0 times among the last LastN tokens: l ← l·r if l ≤ 0, else l/r;
//	             then l ← l − c·frequency − presence
//	DRY          n tokens at the end stood earlier too, and then came this one:
//	             l ← l − multiplier·base^(n−allowed) from n = allowed on
//	top-n-σ      keep l ≥ max − n·σ, σ the deviation of all logits
//	top-k        keep the k likeliest
//	typical      keep those whose surprise −ln p is nearest to the entropy, until their
//	             sum exceeds p
//	top-p        keep the likeliest, until their sum reaches p
//	min-p        keep those at least p times as likely as the likeliest
//	XTC          with a probability: drop all that reach the threshold but the last of them
//	temperature  l ← l/T, T fixed or by the entropy; at 0 the likeliest is chosen
//	draw         one random number
//
// Every p is that of what is left at temperature 1. Of equals the lower id comes first.
//
// The token is a function of the logits, the settings, the tokens before it and its
// position alone: random numbers come of the seed and the position (Uniform), and what
// depends on earlier tokens is computed from their ids anew. So the same request gives
// the same text wherever and in whatever company it runs, after every cached prefix and
// every draft taken back, and there is no state to roll back.
//
//	sample.go     Params, what every device does; Sampler, and the draw
//	settings.go   Settings, what only the host does included
//	fields.go     the one table of settings: names, ranges, the chain as text
//	file.go       what a model's file recommends
//	penalties.go  bias and penalties
//	dry.go        DRY;  breakers.go  where its matches end
//	cut.go        top-n-σ, typical, XTC;  dynamic temperature
//
// Arithmetic is float32 or float64 with each operation rounded, and package numerics'
// functions: the same bits on every machine.
//
// Settings that have been prepared may be read by any number of goroutines. A Sampler
// keeps scratch memory and belongs to one.
package sample
