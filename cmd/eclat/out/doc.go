// Package out is how the program's words leave it: tables, progress bars, colours.
package out
