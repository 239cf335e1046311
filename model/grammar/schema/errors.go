package schema

import (
	"errors"

	"eclat/model/grammar/regular"
)

// Errors of Parse, wrapped with the path of what they are about.
var (
	ErrUnsupported = errors.New("the keyword is not supported")
	ErrNever       = errors.New("no value satisfies it")
	ErrTooLarge    = errors.New("the schema is too large, or circular where it is merged")
	ErrNotDisjoint = errors.New("oneOf is supported only where its branches plainly exclude one another; anyOf takes them as they are")
)

// isNever reports whether err says that a schema, though sound, has no value.
func isNever(err error) bool { return errors.Is(err, ErrNever) }

// failAutomaton names v as what an automaton could not be made of.
func failAutomaton(v *value, err error) error {
	if errors.Is(err, regular.ErrEmpty) {
		err = ErrNever
	}
	return fail(v, err)
}
