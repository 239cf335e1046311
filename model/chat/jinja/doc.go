// Package jinja renders the chat templates that models bring along: a bounded part of
// the template language Jinja, with the text that Python's jinja2 gives where the
// model's makers rendered theirs (trim_blocks and lstrip_blocks on, loop controls,
// JSON without escapes, no autoescape).
//
// The way of a template:
//
//	lex.go                  source to tokens, white space around tags taken away
//	parse.go, parse_expr.go tokens to nodes (ast.go)
//	exec.go, eval.go        a walk over the nodes; args.go calls, ops.go operators
//	filters*.go, tests.go, methods.go, strings.go, globals.go   what a template may call
//	value.go, text.go, repr.go, json.go, format.go  values and how they are written
//
// A template comes out of a file from anyone. So there is no include, import or
// extends, nothing of the host can be reached from a value, and source, steps, depth,
// memory and output are bounded by Limits; whatever goes beyond ends in an error.
// Inside, an error is a panic with *Error that Parse and Render turn back into one.
//
// A string knows which of its bytes came from outside the template (tainted), through
// every operation, so that a rendered Text tells template text from what users wrote.
// Numbers are never tainted: digits alone spell no control token.
//
// Departures from jinja2, all towards the simpler: integers have 64 bits (longer ones
// are carried from input to output and not computed with); map, select, items, keys and
// the like give lists, not generators; lists and dictionaries may be changed by their
// methods (the sandbox of transformers refuses that); safe and escape do not mark a
// string, so nothing is escaped behind the template's back; calls have no *args and
// **kwargs; and errors have words of their own.
//
// A Template is read-only: any number of goroutines may render it at once. The values
// given to Render must not be in use elsewhere meanwhile, since a template may change
// a list or a dictionary.
package jinja
