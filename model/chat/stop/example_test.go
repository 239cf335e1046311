package stop_test

import (
	"fmt"

	"eclat/model/chat/stop"
)

// What may be the beginning of a stop string is held back.
func Example() {
	m, err := stop.New("\nUser:")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, piece := range []string{"Hello.", "\nUs", "ually", "\nUse", "r: no"} {
		text, which, rest := m.Next([]byte(piece))
		fmt.Printf("%q %d %q\n", text, which, rest)
	}
	// Output:
	// "Hello." -1 ""
	// "" -1 ""
	// "\nUsually" -1 ""
	// "" -1 ""
	// "" 0 " no"
}
