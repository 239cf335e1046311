// Package rows says in which formats rows of activations travel between machines, and what
// that does to them.
//
//	format.go  the formats: their names, their bytes, and what each makes of a row
//	wire.go    rows as bytes, and back
//
// Rows of F32 come as they went. The others round a row, whose elements are then another
// row's: a boundary between two machines is a place where a model's numbers change, and
// which ones hangs on where the boundaries are. So a format belongs to a run with its
// placement, and whatever stands in the place of a boundary later rounds as it did: rounding
// is a function of the row alone, the same on every machine, and twice is once. That gives
// the same bits with the same placement and format, whoever computes.
//
// Functions may run at the same time.
package rows
