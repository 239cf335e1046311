// Package stats holds the arithmetic of measuring: means and deviations of
// samples, probabilities of logits, and distances between two distributions.
// Everything is computed in float64. Functions keep no state.
package stats
