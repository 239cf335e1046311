package field

import "fmt"

// Error says which field is wrong.
type Error struct {
	Path   string // as in messages[0].content; "" for the body itself
	Reason string // what follows the path in a sentence
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "the body " + e.Reason
	}
	return e.Path + " " + e.Reason
}

// Errorf makes an error of a path.
func Errorf(path, format string, args ...any) *Error {
	return &Error{path, fmt.Sprintf(format, args...)}
}
