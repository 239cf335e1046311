// Package field reads the fields of a JSON request one by one: each is honoured, known to
// be without effect, or refused with its path.
//
//	json.go    a body as a value; one level of it at a time
//	object.go  the fields of an object, by type and range
//	error.go   what is wrong, and where
//
// A body is checked whole once and then only looked at: nothing of it is copied before a
// field is asked for, and what the fields hold is bounded before it is read. The first
// fault is kept; whoever reads fields asks for it at the end:
//
//	o, err := field.Parse(body)
//	n := o.Int("n", 1, 1, 16)
//	user := o.Text("user", 256)
//	o.Without("metadata")       // known, and changes no answer
//	return o.End()              // the first fault, or a field that nobody asked for
//
// null counts as absent, as clients send it so. Numbers are never rounded: 1.5 is no
// whole number, nor is "1".
//
// Values are read-only views of the body. An Object belongs to one goroutine.
package field
