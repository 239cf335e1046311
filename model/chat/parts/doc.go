// Package parts takes a model's answer apart as it is generated: reasoning, the answer
// itself, and calls of tools.
//
// Models mark these in ways of their own: [THINK]…[/THINK], <think>…</think>, channels,
// [TOOL_CALLS]name[ARGS]{…}, <tool_call>{…}</tool_call>. A Format is a table of such
// markers, and what the text after each is. A marker that the vocabulary has as a token
// is known by its id alone, so that text that merely spells it out is text; the others
// are looked for in the text, wherever tokens end.
//
//	formats.go  the tables, and which of them a model uses
//	parser.go   tokens in, deltas out
//	header.go   what stands between markers: a channel, a call's name
//	call.go     calls: their names and arguments, as they come
//	json.go     a checker of JSON, a byte at a time
//	delta.go    deltas, and the parts they add up to
//
// Nothing is lost: a call that is none (no JSON, cut off) comes back as text with its
// markers spelt out, and a marker where it means nothing is text. Only white space that
// a format puts around its markers is left out. However the same tokens are handed in,
// the parts are the same.
//
// Formats are read-only. A Parser belongs to one goroutine.
package parts
