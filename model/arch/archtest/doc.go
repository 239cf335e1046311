// Package archtest makes small random models of families, and says what the best-known
// engine answers to them. Nothing but tests uses it.
//
// A model is the same for the same name and seed on every machine. Its weights keep
// activations near 1 and its log-probabilities apart. golden.json has, for each, the
// log-probability of every next token of a fixed sequence, from llama.cpp 0.5.0 on a
// processor, whose keys and values are f16:
//
//	go test ./engine -run TestHybrids -files DIR     writes the models to DIR
//	node logprobs.mjs DIR/NAME.gguf NAME.json        answers
package archtest
