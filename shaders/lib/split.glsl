// split_of returns how many positions each split of a context of n takes: whole
// pages, at least p.split, and so many that p.splits are enough.
uint split_of(uint n) {
    return max(p.split, ((n + p.splits - 1) / p.splits + PAGE - 1) / PAGE * PAGE);
}
