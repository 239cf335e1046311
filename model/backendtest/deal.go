package backendtest

import (
	"fmt"
	"os"
	"testing"

	"eclat/model/conformance"
)

// Share is the variable that says how much of what takes long a run of tests takes: "K/N",
// share K of N (conformance.Deal); empty, everything. make test-long gives each driver a
// share of its own, make test-long ALL=1 everything.
const Share = "ECLAT_SHARE"

// share reads the variable.
func share(text string) (k, n int, err error) {
	if text == "" {
		return 0, 1, nil
	}
	if c, _ := fmt.Sscanf(text+".", "%d/%d.", &k, &n); c != 2 || text != fmt.Sprintf("%d/%d", k, n) || k < 0 || n <= k {
		return 0, 1, fmt.Errorf("%s is %q, not a share like 1/4, the second of four", Share, text)
	}
	return k, n, nil
}

// Deal takes this run's share of a list: of each kind at least one. What it leaves out a
// skipped subtest says.
func Deal[T any](t *testing.T, list []T, kind func(T) string) []T {
	t.Helper()
	k, n, err := share(os.Getenv(Share))
	if err != nil {
		t.Fatal(err)
	}
	taken := conformance.Deal(list, kind, k, n)
	if len(taken) < len(list) {
		t.Run("the_others", func(t *testing.T) {
			t.Skipf("one in %d of each kind is taken on this driver; make test-long ALL=1 takes all", n)
		})
	}
	return taken
}
