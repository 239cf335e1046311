package record_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"eclat/engine/record"
)

// A record is a header of one's own and as many numbers as were announced. Open checks
// the whole of it before the first number is read.
func Example() {
	dir, err := os.MkdirTemp("", "record")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "losses")

	type header struct{ Model string }
	w, err := record.Create(path, "losses", header{"tiny"}, 4*3)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort() // where Close is not reached
	w.Floats([]float32{2.5, 2.25, 2})
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	var h header
	r, err := record.Open(path, "losses", &h)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	losses := make([]float32, r.Left()/4)
	if err := r.Floats(losses); err != nil {
		log.Fatal(err)
	}
	fmt.Println(h.Model, losses)
	// Output: tiny [2.5 2.25 2]
}
