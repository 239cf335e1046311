//go:build cgo && unix

package out

// The Go runtime opens /dev/null in place of a stdout that is closed (>&-), before
// any Go code runs: what looks then is C.

/*
#include <fcntl.h>

static int stdout_flags;

__attribute__((constructor)) static void look(void) { stdout_flags = fcntl(1, F_GETFD); }

static int stdout_closed(void) { return stdout_flags < 0; }
*/
import "C"

// closedAtStart reports whether the program was started without a stdout.
func closedAtStart() bool { return C.stdout_closed() != 0 }
