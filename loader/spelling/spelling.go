// Package spelling tells how far two names are apart, so that an unknown one can be
// answered with the nearest that is known. It keeps nothing: any goroutine may use it.
package spelling

// Distance is the least number of bytes to insert, drop or change that makes b of a
// (Levenshtein). It takes len(a)·len(b) steps: bound what comes from outside.
func Distance(a, b string) int {
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
