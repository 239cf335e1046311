// Package perplexity measures how well a model predicts a text, and how far its
// predictions are from those that were saved from another run.
//
// The windowing is llama.cpp's: the text's tokens are cut into windows of n_ctx
// tokens that do not overlap; what is left over at the end is not used. Where the
// model wants a beginning-of-sequence token it takes the place of each window's
// first token. Each window is run by itself, and the tokens of its second half,
// n_ctx/2+1 … n_ctx−1, are scored, so that every one has n_ctx/2 tokens or more
// before it. The perplexity is exp(−mean log p) over all tokens scored.
//
// A Base is the predictions of one run on disk, for a divergence later.
package perplexity
