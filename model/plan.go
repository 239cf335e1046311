package model

import (
	"eclat/loader/quant"
)

// ID names a tensor of a plan: its index in Plan.Tensors.
type ID int32

// None is the ID of no tensor.
const None ID = -1

// Kind says where a tensor's memory comes from.
type Kind uint8

const (
	Weight    Kind = iota // (Rows, Cols) read from the file by Backend.Load
	Kept                  // (Rows, Cols) memory that Backend.Load makes; see Memory
	TokenRows             // (n, Cols) float32, one row a token of the batch
	WantRows              // (n, Cols) float32, one row a token whose answer is wanted
)

// Tensor is one tensor of a plan. Weights and memory are the same tensor in every
// plan that uses the same name.
type Tensor struct {
	Name string
	Kind Kind
	Type quant.Type // of weights and memory; F32 for activations, I32 for tokens and for what Route writes
	Cols int        // elements in a row
	Rows int        // of weights and memory; 0 for activations, whose rows are the batch's
	Pool int        // of memory: index in Plan.Pools

	Of    string // of a weight that is a part of a tensor of the file: its name; else ""
	First int    // and which of its elements the part begins with
}

// Source is the name of the file's tensor that a weight is, or is a part of.
func (t *Tensor) Source() string {
	if t.Of != "" {
		return t.Of
	}
	return t.Name
}

// Rope is a table of rotary angles. Every known scaling (linear, YaRN, factors
// read from the file) is linear in the position, so one frequency a pair holds
// all of it; float64 keeps position·frequency exact enough at any position.
type Rope struct {
	Freq   []float64 // radians per position for each pair (rotary dimensions / 2)
	Scale  float32   // of the rotated elements: YaRN's attention factor, else 1
	Warm   float64   // by how much Scale grows with the position; 0 for not at all (ScaleAt)
	Every  int       // and in steps of how many positions
	Ahead  int       // which the steps come before their time
	Halves bool      // pair j is (x[j], x[j+len(Freq)]) ("neox"), else (x[2j], x[2j+1]) ("norm")
	Axis   []uint8   // which of a token's positions turns each pair; nil for the first
}

// Plan is what one stage computes for a batch: steps over named tensors. It knows
// neither the batch's size nor the device, and nobody changes it once it is built.
type Plan struct {
	Tensors []Tensor
	Steps   []Step
	Ropes   []Rope
	Pools   []Pool
	Axes    int   // positions a token, ≥ 1; the first is its place in its sequence
	Vocab   int   // ids that Embed can look up; 0 where the stage does not embed
	Hidden  ID    // (tokens, n_embd) rows that the stage takes from Batch.Rows; None where it embeds tokens
	Stage   Stage // that it is of
	Room    Room  // that its memory has
	Result  ID    // the tensor that Run returns; tokens (want, 1) of type I32 after Sample
}

// Width is the number of elements of a row of Batch.Rows.
func (p *Plan) Width() int {
	if p.Hidden != None {
		return p.Tensors[p.Hidden].Cols
	}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Op == Embed {
			return p.Tensors[s.Dst].Cols
		}
	}
	return 0
}

// embeds is how many tables the tokens are looked up in.
func (p *Plan) embeds() (n int) {
	for i := range p.Steps {
		if p.Steps[i].Op == Embed {
			n++
		}
	}
	return n
}

// Samples reports whether the plan ends with Sample.
func (p *Plan) Samples() bool {
	n := len(p.Steps)
	return n > 0 && p.Steps[n-1].Op == Sample
}

// Answer is the activation that holds the rows of a plan's answer: its result, or
// the logits that its tokens are sampled from.
func (p *Plan) Answer() ID {
	if p.Samples() {
		return p.Steps[len(p.Steps)-1].Src[0]
	}
	return p.Result
}

// Weights lists the plan's weights, each once, in the order of first use.
func (p *Plan) Weights() (ws []Tensor) {
	for _, t := range p.Tensors {
		if t.Kind == Weight {
			ws = append(ws, t)
		}
	}
	return ws
}

// Memory lists the tensors that are kept from run to run.
func (p *Plan) Memory() (ms []Tensor) {
	for _, t := range p.Tensors {
		if t.Kind == Kept {
			ms = append(ms, t)
		}
	}
	return ms
}

// Size is how many rows of each kind of activation a program has room for, or a
// run uses.
type Size struct{ Tokens, Want int }

// Rows returns how many rows activation t has in a run or a program of size s.
func (p *Plan) Rows(t ID, s Size) int {
	switch p.Tensors[t].Kind {
	case TokenRows:
		return s.Tokens
	case WantRows:
		return s.Want
	}
	return p.Tensors[t].Rows
}
