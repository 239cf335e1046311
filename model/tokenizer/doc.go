// Package tokenizer turns text into token ids and ids back into text, from the
// vocabulary inside a GGUF file.
//
// Three kinds of vocabulary are read: byte-level BPE (tokenizer.ggml.model
// "gpt2", used by Mistral's Tekken, Llama 3, Qwen, GPT-4o and others),
// SentencePiece-style merging by score ("llama") and Gemma 4's own, which merges
// characters by a list ("gemma4"). Ids are equal to those of
// llama.cpp for the same file and text, its departures from the published
// regular expressions included, since that is what models in GGUF form are run
// with everywhere else.
//
// The way of a text through Encode:
//
//	special.go      control and user-defined tokens are cut out of the text
//	pretokenize.go  BPE: the rest is split into words
//	bpe.go, spm.go  a word becomes symbols: bytes, or characters (gemma4.go too)
//	merge.go        adjacent symbols are merged, best pair first
//
// and back: decode.go gives the bytes of a token and a Decoder that never
// splits a UTF-8 character.
//
// A Tokenizer owns copies of everything it needs, so the file may be closed
// after New. It is read-only from then on: any number of goroutines may use it
// at once. A Decoder belongs to one goroutine.
package tokenizer
