// Package serve answers requests over HTTP: the APIs that existing clients speak, and what
// there is to see of the server.
//
//	server.go  the routes, listening, and an end that lets answers finish
//	health.go  /health and /metrics
//
//	field/  the fields of a request: honoured, without effect, or refused
//	core/   what the APIs share: who may ask, models, streams, errors, metrics
//	admin/  what lies where, loading and unloading, measurements
//	anthropic/ Anthropic's API of messages
//	openai/ OpenAI's API, and what llama.cpp's server has besides
//	responses/ OpenAI's API of responses
//	web/    the app at /, which asks all of these
//
// A Server is for any number of goroutines. Requests are the engine's to schedule; here
// nothing waits for another request.
package serve
