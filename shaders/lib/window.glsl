// first_seen returns the first position that a token at pos sees.
uint first_seen(uint pos) { return p.window == 0 || pos < p.window ? 0 : pos + 1 - p.window; }
