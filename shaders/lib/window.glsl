// first_seen returns the first position that a token at pos sees: of the last `window`, or
// with the word's highest bit from the last multiple of window on; 0 for all.
uint first_seen(uint pos) {
    uint window = p.window & 0x7fffffffu;
    if (window != p.window) return pos - pos % window;
    return window == 0 || pos < window ? 0 : pos + 1 - window;
}
