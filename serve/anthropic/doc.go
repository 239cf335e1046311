// Package anthropic is Anthropic's API of messages as existing clients use it.
//
//	routes.go    the paths, and errors as this API writes them
//	request.go   the fields of a request
//	messages.go  the messages of a conversation, and the system prompt
//	wire.go      what is sent: blocks, usage, why an answer ended
//	send.go      answers, whole and as events
//
// A field is honoured, or known to change no answer, or refused with its path. What thinks
// is told as thinking blocks; their signature is a sum of the text, and nobody checks it.
// A tool's call is told once it is whole, because text that looks like one may yet be none.
package anthropic
