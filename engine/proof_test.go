package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"eclat/model/sample"
)

// TestProof: the sum is that of the logits which scoring the same tokens tells, and
// asking for it changes no token.
func TestProof(t *testing.T) {
	long(t)
	for _, device := range []string{"cpu", "vulkan"} {
		t.Run(device, func(t *testing.T) {
			if device == "vulkan" {
				device = gpuName(t)
			}
			e := open(t, builtIn, Options{Device: device, Context: 64})
			for name, r := range map[string]Request{
				"greedy":  {},
				"sampled": {Settings: sample.Settings{Params: sample.Params{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 7}}},
				"penalty": {Settings: sample.Settings{Repeat: 1.5, LastN: -1}},
			} {
				r.MaxTokens, r.IgnoreEOS = 12, true
				want, st := generate(t, e, "The Congress", r)
				if st.Proof != (Proof{}) {
					t.Errorf("%s: a proof that nobody asked for: %v", name, st.Proof)
				}
				r.Proof = true
				got, st := generate(t, e, "The Congress", r)
				if !slices.Equal(got, want) {
					t.Errorf("%s: with a proof %v, without %v", name, got, want)
				}
				ids := e.Prompt("The Congress", false)
				from := len(ids) - 1
				ids = append(ids, got[:len(got)-1]...)
				sum, n := sha256.New(), 0
				err := e.Score(context.Background(), ids, ScoreOptions{From: from}, func(r Row) error {
					n++
					for _, x := range r.Logits {
						sum.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
					}
					return nil
				})
				if err != nil || n != 12 {
					t.Fatalf("%d rows, %v", n, err)
				}
				if want := (Proof{[sha256.Size]byte(sum.Sum(nil)), 12, 12}); st.Proof != want {
					t.Errorf("%s: %v, want %v", name, st.Proof, want)
				}
			}
		})
	}
}

// TestProofEnds: the row that ended the text counts, its token does not.
func TestProofEnds(t *testing.T) {
	e := open(t, builtIn, Options{Device: "cpu", Context: 64})
	end := int32(0)
	for !e.Tokenizer.IsEOG(end) {
		end++
	}
	r := Request{Tokens: []int32{end}, MaxTokens: 20, Proof: true}
	r.Bias = []sample.Bias{{ID: end, Add: 1000}}
	st, err := e.Generate(context.Background(), r, nil, nil)
	if err != nil || st.Stop != StopEOS || st.Proof.Rows != 1 || st.Proof.Tokens != 0 {
		t.Errorf("%v: %s, %v", st.Proof, st.Stop, err)
	}
}
