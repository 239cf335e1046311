// Products with a matrix, or with EXPERTS with one of the matrices that lie in W one on
// top of the other, p.stack rows each, of which p.skip … p.skip + p.m − 1 are used. What
// is a row of x else is then a slot, a row and the place of one of its experts:
// row · p.used + place. r is what route.comp has written (a row: its experts, then their
// weights) or, for many columns, what experts.comp has:
//
//	word 0            tiles; a tile is columns of one expert
//	words 4 + 3·t …   of tile t: the expert, where its slots begin, how many there are
//
// A part of a weight may begin and end within a matrix.

uint expert = 0;
uint base = 0;  // of the weight's rows, the first that is used of the matrix
uint slots = 0; // where those of the tile begin

void choose(uint e) {
    expert = e;
    base = e * p.stack + p.skip;
}

// slot_matrix chooses the matrix of a slot.
void slot_matrix(uint slot) { choose(r[slot / p.used * 2 * p.used + slot % p.used]); }

// tile_columns chooses the matrix of a tile and returns its columns, 0 where there is no such tile.
uint tile_columns(uint t) {
    if (t >= r[0]) return 0;
    choose(r[4 + 3 * t]);
    slots = r[5 + 3 * t];
    return r[6 + 3 * t];
}

uint tile_slot(uint i) { return r[slots + i]; }

// w_row is row j of the matrix in this part of the weight, or the nearest that it has.
uint w_row(uint j) {
    if (!EXPERTS) return min(j, p.rows - 1);
    return uint(clamp(int(base + j) - int(p.first), 0, int(p.rows) - 1));
}

// here reports whether this part has row j of the matrix: below its first, j wraps around.
bool here(uint j) { return EXPERTS ? j < p.m && base + j - p.first < p.rows : j < p.rows; }

// any_here reports whether it may have one of n rows from j on.
bool any_here(uint j, uint n) {
    return EXPERTS ? j < p.m && base + j < p.first + p.rows && base + j + n > p.first : j < p.rows;
}

// x_row is the row of x that meets row, or slot, c.
uint x_row(uint c) { return EXPERTS && !OWN ? c / p.used : c; }

// y_at is where the product of row j of the matrix with c goes, z_at where what is added to
// all rows is.
uint y_at(uint c, uint j) { return EXPERTS ? c * p.m + j : c * p.m + p.first + j; }
uint z_at(uint j) { return EXPERTS ? expert * p.pitch + p.skip + j : p.first + j; }
