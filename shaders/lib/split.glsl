// first_seen returns the first position that a token at pos sees.
uint first_seen(uint pos) { return p.window == 0 || pos < p.window ? 0 : pos + 1 - p.window; }

// split_of returns how many positions each split takes where n are seen, from the
// first seen one on: whole pages, at least p.split, and so many that p.splits are
// enough.
uint split_of(uint n) {
    return max(p.split, ((n + p.splits - 1) / p.splits + PAGE - 1) / PAGE * PAGE);
}
