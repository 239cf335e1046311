// Package quant is the one table of tensor types: how the elements of each lie in
// blocks of bytes, and which numbers a block holds: floats, or
// integers with their scales and minimums.
//
// Adding a type: a line in the table (types.go) and a file NAME.go with its
// function, whose comment draws the block. Tables that stand in no formula are one file,
// grids.txt, for the shaders and the oracle too. What cannot be decoded yet still has its
// size here, so that files that hold it can be listed, cut and copied. encode*.go go
// the other way: Encode looks for the blocks that lose least.
//
// Everything is read-only after start-up and safe for any goroutine.
package quant
