package compare_test

import (
	"context"
	"fmt"
	"log"

	"eclat/engine"
	"eclat/engine/compare"
	"eclat/loader"
	"eclat/testdata"
)

// The processor's answers are judged by the reference's, step by step of one text.
func ExampleRun() {
	ctx := context.Background()
	side := func(device string) (*compare.Live, func()) {
		file, err := loader.FromBytes(testdata.ModelName, testdata.Model)
		if err != nil {
			log.Fatal(err)
		}
		e, err := engine.Open(ctx, file, engine.Options{Device: device, Context: 64})
		if err != nil {
			log.Fatal(err)
		}
		s, err := compare.NewLive(ctx, e, e.Prompt("We the people", false), 0)
		if err != nil {
			log.Fatal(err)
		}
		return s, func() { s.Close(); e.Close() }
	}
	got, closeGot := side("cpu")
	defer closeGot()
	want, closeWant := side("ref")
	defer closeWant()

	r, err := compare.Run(ctx, got, want, compare.DefaultLimits, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sound:", r.Pass(), r.Failures)
	fmt.Printf("the same token is the most likely at %.0f %% of %d positions\n", 100*r.Logits.SameTop, r.Positions)
	// Output:
	// sound: true []
	// the same token is the most likely at 100 % of 5 positions
}
