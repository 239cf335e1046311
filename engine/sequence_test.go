package engine

import (
	"math"
	"testing"

	"eclat/model/sample"
)

// TestChooseNotFinite: no penalty turns a NaN or an infinity into something that is
// chosen from, and a finite row that a penalty takes beyond float32 is none either.
func TestChooseNotFinite(t *testing.T) {
	var s scratch
	for _, penalty := range []float32{math.SmallestNonzeroFloat32, 0.5, 1.2, math.MaxFloat32, float32(math.Inf(1)), -1} {
		for _, temp := range []float32{0, 1} {
			q := &sequence{tokens: []int32{1, 2, 1}, r: Request{Params: sample.Params{Temp: temp}, Penalty: penalty, PenaltyN: -1}}
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for at := range 4 { // 0 and 3 are not penalised
					logits := []float32{1, -2, 3, -4}
					logits[at] = float32(bad)
					if id := q.choose(&s, logits, 2); id >= 0 {
						t.Errorf("penalty %g, temperature %g, logits %g: token %d", penalty, temp, logits, id)
					}
				}
			}
		}
	}
	q := &sequence{tokens: []int32{1}, r: Request{Penalty: 0.5, PenaltyN: -1}}
	if id := q.choose(&s, []float32{1, math.MaxFloat32}, 0); id >= 0 {
		t.Errorf("token %d of a row that the penalty made infinite", id)
	}
	if id := q.choose(&s, []float32{1, 2}, 0); id != 1 {
		t.Errorf("token %d of a sound row", id)
	}
}
