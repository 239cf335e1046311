package conformance

// Deal takes from a list one in n of each kind, and at least one: where drivers, or
// people, wait for the whole for long, each still meets every kind, and drivers with
// other k meet other members of it. Kinds begin at different members, so that what is
// taken of neighbouring types differs in shape: of the kind met as the g-th, with m
// members, those from (g+k) mod min(n, m) on in steps of n. The order stays; n of 1 takes
// all.
func Deal[T any](list []T, kind func(T) string, k, n int) (taken []T) {
	size, start, next := map[string]int{}, map[string]int{}, map[string]int{}
	for _, x := range list {
		size[kind(x)]++
	}
	for _, x := range list {
		of := kind(x)
		if _, met := start[of]; !met {
			start[of] = (len(start) + k) % min(n, size[of])
		}
		if i := next[of] - start[of]; i >= 0 && i%n == 0 {
			taken = append(taken, x)
		}
		next[of]++
	}
	return taken
}
