package compare

import "fmt"

// Limits are what a side may differ by and still be sound. Zero turns a limit off.
type Limits struct {
	Row     float64 `json:"row_nmse"`          // of any tensor's row: normalised squared error
	KLMean  float64 `json:"kl_mean"`           // nats
	KL99    float64 `json:"kl_p99"`            // nats
	LogProb float64 `json:"mean_logprob_diff"` // nats
	SameTop float64 `json:"same_top"`          // least share; a single differing token is never too much
}

// DefaultLimits are for devices that compute with 32-bit activations, from the
// same weights. Key–value memory holds halves, so a difference in the last bit
// of a key can become one of 2⁻¹¹; rows of small numbers show it most. A device
// that rounds activations to eight bits is a hundred times above.
var DefaultLimits = Limits{Row: 1e-5, KLMean: 1e-4, KL99: 1e-3, LogProb: 0.005, SameTop: 0.97}

// judge lists the limits that a result passes, in words.
func (l Limits) judge(r *Result) []string {
	var out []string
	if l.Row > 0 && r.First != nil {
		out = append(out, fmt.Sprintf("%s differs by %.2g at position %d, the limit is %.0g", r.First.Tensor, r.First.Error, r.First.Position, l.Row))
	}
	over := func(what string, got, limit float64) {
		if limit > 0 && !(got <= limit) {
			out = append(out, fmt.Sprintf("%s is %.2g, the limit is %.2g", what, got, limit))
		}
	}
	over("mean KL", r.Logits.KLMean, l.KLMean)
	over("99 % KL", r.Logits.KL99, l.KL99)
	over("mean |Δ log p|", r.Logits.LogProb, l.LogProb)
	if l.SameTop > 0 && r.Logits.flips > 1 && !(r.Logits.SameTop >= l.SameTop) {
		out = append(out, fmt.Sprintf("the most likely token agrees at %.1f %% of positions, the limit is %.1f %%", 100*r.Logits.SameTop, 100*l.SameTop))
	}
	return out
}

// Pass reports whether no limit was passed.
func (r *Result) Pass() bool { return len(r.Failures) == 0 }
