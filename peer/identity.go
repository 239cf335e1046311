package peer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"eclat/model"
)

// ModelSum tells models apart by what their headers say: the configuration, and the names,
// types and shapes of all tensors. The bytes of weights are weightsSum's.
func ModelSum(m *model.Model) (string, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(m.Config); err != nil {
		return "", fmt.Errorf("peer: the model's configuration: %w", err)
	}
	for _, t := range m.File.Tensors {
		fmt.Fprintf(h, "%q %s %v\n", t.Name, t.Type, t.Dims)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// planSum is of all that a plan says: two machines that have the same one compute the same.
func planSum(p *model.Plan) (string, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(p); err != nil {
		return "", fmt.Errorf("peer: the plan: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// glance is how many bytes of a tensor weightsSum looks at, at each of four places.
const glance = 64

// weightsSum is of some bytes of each weight of a plan: files that differ elsewhere only
// are made by nobody by accident.
func weightsSum(from model.Weights, p *model.Plan) (string, error) {
	h := sha256.New()
	for _, w := range p.Weights() {
		t := from.Tensor(w.Source())
		if t == nil || t.Data == nil {
			return "", fmt.Errorf("peer: the bytes of %.80q are not there", w.Source())
		}
		fmt.Fprintf(h, "%q %s %v\n", t.Name, t.Type, t.Dims)
		for i := range int64(4) {
			at := max(0, t.Size-glance) * i / 3
			h.Write(t.Data[at:min(at+glance, t.Size)])
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
