// Package openai is OpenAI's API as existing clients use it, with what llama.cpp's server
// adds to it.
//
//	routes.go      the paths, and errors as this API writes them
//	wire.go        what is sent: answers, chunks, usage
//	sampling.go    how tokens are chosen, by the names of both servers
//	ask.go         what chat and plain completions have in common
//	chat.go        /v1/chat/completions: its fields
//	messages.go    the messages of a conversation
//	tools.go       tools, and whether one is to be called
//	format.go      what an answer is to keep to
//	answer.go      choices as they come: parts, probabilities, why they end
//	chat_send.go   answers and chunks of a conversation
//	completions.go /v1/completions
//	middle.go      prompts with a suffix
//	embeddings.go  /v1/embeddings
//	turn.go        what other APIs of conversations ask for
//	models.go      /v1/models
//	tokens.go      /tokenize, /detokenize, /apply-template
//	props.go       /props, /slots
//
// A field is honoured, or known to change no answer, or refused with its path. A handler
// belongs to its request's goroutine; each choice of an answer is read by one of its own.
package openai
