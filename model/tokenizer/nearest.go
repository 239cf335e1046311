package tokenizer

import (
	"fmt"
	"slices"
	"strings"

	"eclat/loader/spelling"
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
	return slices.MinFunc(names, func(a, b string) int { return spelling.Distance(name, a) - spelling.Distance(name, b) })
}
