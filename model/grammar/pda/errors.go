package pda

import "errors"

// Errors of Compile, wrapped with the rule's name.
var (
	ErrTooLarge      = errors.New("the grammar is too large or too ambiguous")
	ErrLeftRecursion = errors.New("the rule begins with itself")
	ErrEndless       = errors.New("the rule never ends: each of its alternatives needs the rule again")
)
