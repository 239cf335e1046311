// Package keep keeps prefix caches in a folder, where they outlive the program: what was
// computed of a text is found again after a restart, with the same bits.
//
//	folder.go  the folder: which pages are there, and which go where they are too many
//	file.go    a page's file
//	keeper.go  an engine whose pages are kept while it works
//
// A page is a file, called by what it is of and by all tokens up to its end. It is written
// once and gets its name when it is whole, so there is nothing to repair after a crash. It
// holds the tokens of its text, so the folder is its owner's alone.
//
// A Folder is for any number of goroutines, and for several programs at once: they write
// the same bytes under a name. A Keeper has one goroutine of its own.
package keep
