#include "lib/planes.glsl"
#include "lib/spread.glsl"

// iq1 returns the eight elements of a point, eight times −1, 0 or 1, moved by one up or
// down, and 9 more.
uvec2 iq1(uint point, uint down) {
    uint move = 0x02020202u * (1 - down);
    return uvec2(spread2(point), spread2(point >> 8)) * 8 + move;
}
