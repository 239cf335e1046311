// Package conversation is a conversation with a model: what was said, the tokens as they
// ran, and the file that both outlive the program in.
//
//	conversation.go  turns; the prompt of the next one; the oldest ones left out
//	session.go       Session: a file of a conversation or a text, saved and found again
//	begun.go         Begun: an answer on its way, in a file beside the session's
//	note.go          what stands in the file besides tokens and memory
//
// A Conversation and a Session belong to one goroutine.
package conversation
