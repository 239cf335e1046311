package grammar

import (
	"errors"

	"eclat/model/grammar/schema"
)

// ErrNothing is the error of a schema that is sound but that no value satisfies.
var ErrNothing = schema.ErrNever

// Errors of a Matcher.
var (
	ErrRefused   = errors.New("the grammar does not allow this here")
	ErrStuck     = errors.New("no token of the vocabulary can follow: the grammar needs bytes it cannot spell, or more nesting than is followed")
	ErrAmbiguous = errors.New("the grammar is too ambiguous here: too many readings of the text are open at once")
	ErrRollback  = errors.New("no further back than what is remembered")
)
