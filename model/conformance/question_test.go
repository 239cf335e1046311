package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"eclat/cpu/ref"
	"eclat/model"
	"eclat/model/conformance"
)

var update = flag.Bool("update", false, "write answers.txt anew")

// TestAnswers: the hashes that devices are held against are those of the reference.
func TestAnswers(t *testing.T) {
	open := func() (model.Backend, error) { return ref.Device().Open(t.Context(), model.OpenOptions{}) }
	var file strings.Builder
	for _, q := range conformance.Questions() {
		hash, err := q.Answer(open)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Fprintf(&file, "%s %s\n", hash, q.Name); !*update && hash != q.Right() {
			t.Errorf("%s: the reference answers %s, the file has %q: go generate ./model/conformance", q.Name, hash, q.Right())
		}
	}
	if *update {
		if err := os.WriteFile("answers.txt", []byte(file.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if data, err := os.ReadFile("answers.txt"); err != nil || string(data) != file.String() {
		t.Errorf("answers.txt is not what the questions make: go generate ./model/conformance (%v)", err)
	}
}
