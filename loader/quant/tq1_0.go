package quant

// intsTQ1_0 reads a block of 256 elements in 54 bytes: 48 bytes qs and 4 bytes qh, each of
// five ternary digits (qh of four); d (half). A byte b stands for the fraction b/256, whose
// first digit is the whole part of 3·b/256. The first digits of the bytes 0–31 of qs are
// elements 0–31, then come their second ones …; bytes 32–47 and qh follow in like manner.
//
//	y = d · (digit − 1)
func intsTQ1_0(v *Ints, src []byte) {
	d := half(src[52:])
	for g := range 8 {
		v.scale(g, d)
	}
	q := v.Q[:]
	for _, part := range []struct{ bytes, digits []byte }{{src[:32], powers3[:]}, {src[32:48], powers3[:]}, {src[48:52], powers3[:4]}} {
		for _, power := range part.digits {
			for j, b := range part.bytes {
				q[j] = int8(uint16(b*power)*3>>8) - 1
			}
			q = q[len(part.bytes):]
		}
	}
}

// powers3 bring a digit to the front: the product's upper bits fall off.
var powers3 = [5]byte{1, 3, 9, 27, 81}
