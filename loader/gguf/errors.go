package gguf

import "fmt"

// FormatError says that a model file is not what it claims to be.
// It prints as one line: file, field, offset, reason.
type FormatError struct {
	Path   string // file name as given by the user
	Field  string // metadata key, tensor name or header field
	Offset int64  // bytes from the start of the file, -1 when no single place is at fault
	Reason string
}

func (e *FormatError) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at byte %d", e.Offset)
	}
	return fmt.Sprintf("%s: %s%s: %s", e.Path, e.Field, at, e.Reason)
}

// Errorf returns a *FormatError with a reason made as by fmt.Sprintf.
func Errorf(path, field string, offset int64, format string, args ...any) error {
	return &FormatError{path, field, offset, fmt.Sprintf(format, args...)}
}
