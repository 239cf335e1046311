// Logits rank by value, equals by id: the greater first, the lower id first. One that
// is not finite comes before all, so that the best of a row tells of it.

const uint BROKEN = 0xffffffffu; // the rank of NaN and ±Inf

// rank_of maps a logit to an integer of the same order, above 0.
uint rank_of(float x) {
    uint b = floatBitsToUint(x);
    if ((b & 0x7fffffffu) >= 0x7f800000u) return BROKEN;
    if (b == 0x80000000u) b = 0; // −0 equals 0
    return (b & 0x80000000u) != 0 ? ~b : b | 0x80000000u;
}

// before reports whether (rank, id) a comes before b.
bool before(uvec2 a, uvec2 b) { return a.x > b.x || (a.x == b.x && a.y < b.y); }
