// Logits rank by value, equals by id: the greater first, the lower id first.
// NaN ranks nowhere.

// rank_of maps a logit to an integer of the same order; 0 is no number.
uint rank_of(float x) {
    uint b = floatBitsToUint(x);
    if ((b & 0x7fffffffu) > 0x7f800000u) return 0;
    if (b == 0x80000000u) b = 0; // −0 equals 0
    return (b & 0x80000000u) != 0 ? ~b : b | 0x80000000u;
}

const uint LEAST = 0x007fffffu; // rank_of(−Inf)

// before reports whether (rank, id) a comes before b.
bool before(uvec2 a, uvec2 b) { return a.x > b.x || (a.x == b.x && a.y < b.y); }
