// Package imatrix measures how much each column of a model's matrices counts: the sums
// of squares of what they are multiplied by while a text is read. Quantising weighs its
// errors by them.
//
// The text is cut as package perplexity cuts it, and every token of every window counts.
// The numbers are read from a probe's activations, which are the same bits on every
// device, and added in float64 in the order of the text: so the file is the same
// everywhere. A matrix that several steps multiply the same rows by, in parts, is
// counted once. Of experts each is counted apart, over the rows that went to it.
//
// The file is the one that llama.cpp writes and quantisers read: for each matrix NAME
// the tensors NAME.in_sum2, (columns, matrices), and NAME.counts, (1, matrices).
//
// Nothing here is kept between calls; a Matrix belongs to whoever has it.
package imatrix
