// Package regular makes deterministic automata over Unicode characters: from regular
// expressions, from words to be left out, from functions of digits, and from one another.
//
// What a JSON Schema says of one string or one number is a regular language: pattern,
// format, length, bounds, multiples. Each is one DFA here, and where several hold at once
// their product is the answer. How a character is spelled in bytes is the business of
// package pda.
//
// Sizes are bounded: a pattern that needs more than MaxStates states, or more than a fixed
// amount of work, is an error that says so. A DFA never changes once made and may be used
// by any number of goroutines.
package regular
