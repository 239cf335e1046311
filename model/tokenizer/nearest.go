package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// supportedPre names, for an error message, the commonest values of
// tokenizer.ggml.pre and how many more there are.
func supportedPre() string {
	common := []string{"llama-bpe", "tekken"}
	return fmt.Sprintf("%s and %d more", strings.Join(common, ", "), len(preTokenizers)-len(common))
}

// nearestPre returns the supported value of tokenizer.ggml.pre with the smallest
// edit distance to name, the first of the alphabet where several have it.
func nearestPre(name string) string {
	name = name[:min(len(name), 40)]
	names := make([]string, 0, len(preTokenizers))
	for n := range preTokenizers {
		names = append(names, n)
	}
	slices.Sort(names)
	return slices.MinFunc(names, func(a, b string) int { return editDistance(name, a) - editDistance(name, b) })
}

// editDistance is the least number of bytes to insert, drop or change that makes
// b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // row[j]: the distance from what was read of a to b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
