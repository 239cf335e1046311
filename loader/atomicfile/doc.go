// Package atomicfile writes files that are whole or not there: the bytes go into a
// temporary file beside the one to be, which takes its name when all of them are
// written. A crash at any moment leaves what stood under the name before, and at
// most a temporary file that says so by its own.
//
// A File belongs to one goroutine. Two that write the same name do not disturb each
// other unless they give the temporary file the same name; the last to Commit stays.
package atomicfile
