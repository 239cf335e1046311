// Package responses is OpenAI's API of responses, without a memory: the client sends the
// whole conversation each time.
//
//	routes.go   the path, and errors as this API writes them
//	request.go  the fields of a request
//	input.go    the items of a conversation
//	wire.go     what is sent: the response and its items
//	send.go     answers, whole and as events in their order
//
// A field is honoured, or known to change no answer, or refused with its path. Tools of
// types that the server would have to run are passed over: the model is not shown them. A
// call is told once it is whole, because text that looks like one may yet be none.
package responses
