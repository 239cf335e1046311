// Package out is how the program's words leave it. Answers go to stdout through one
// buffered Writer, whose first error is kept and asked for at the end; messages go
// to stderr, a line each. What comes out of a file, or from the command line, is
// escaped here and nowhere else, so that nobody's model commands the terminal:
// Fprintf escapes its arguments and trusts its format, tables escape their cells,
// JSON spells what is dangerous as \uXXXX.
package out
