// Package terminal reads messages from whoever sits at a terminal, or from a pipe.
//
//	keys.go     bytes to keys; a bracketed paste is one key
//	buffer.go   the text being edited, and what keys do to it
//	layout.go   the text as rows of a screen: wrapping, wide characters
//	editor.go   Terminal: the keyboard, the screen, one message at a time
//	draw.go     the rows on the screen, drawn anew after each key
//	flow.go     Flow: an answer as it comes, broken between words
//	message.go  how several lines are one message
//	plain.go    Plain: the same from lines, where there is no terminal
//	raw_*.go, resize_*.go  the terminal's mode, and when its size changes
//
// Widths are those of grapheme clusters: a Chinese character has two columns and an emoji
// of five code points has two. (The line editor of golang.org/x/term counts code points,
// so its cursor is wrong there, and it cuts lines of more than 4096.)
//
// A Terminal has one reader of stdin, which lives as long as the program. Read and Watch
// belong to one goroutine and exclude each other: Watch looks for Ctrl-C while something
// else is on the screen, and keeps what is typed meanwhile. Output is written through the
// Writer given, in the terminal's ordinary mode of output, so others may write lines there
// between Reads.
package terminal
