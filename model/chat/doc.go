// Package chat turns conversations into prompts: a model's chat template, or a built-in
// one, rendered to text and to token ids.
//
//	conversation.go  messages, tools and variables
//	template.go      which template, and why; rendering
//	builtin.go       the built-in templates, which lie in builtin/
//	caps.go          what a template can do, found out by trying it
//	encode.go        a rendered text as ids
//
// Control tokens come from the template alone. What users, tools and clients wrote is
// tainted, through whatever the template does with it, and is tokenised as plain text.
//
// A Template may be used by any number of goroutines at once; a Conversation belongs to
// its owner, who does not change it during a call.
package chat
