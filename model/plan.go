package model

import (
	"fmt"
	"math"
	"time"

	"eclat/loader"
	"eclat/loader/quant"
)

// PageLen is the number of positions in one page of key–value memory.
const PageLen = 32

// ID names a tensor of a plan: its index in Plan.Tensors.
type ID int32

// None is the ID of no tensor.
const None ID = -1

// Kind says where a tensor's memory comes from.
type Kind uint8

const (
	Weight     Kind = iota // (Rows, Cols) read from the file by Backend.Load
	Cache                  // (Rows, Cols) f16 key or value memory made by Backend.Load; Rows = pages·PageLen
	TokenRows              // (Rows, Cols) float32, one row a token of the step
	LogitsRows             // (Rows, Cols) float32, one row a token whose logits are wanted
)

// Tensor is one tensor of a plan. Weights and caches are the same tensor in
// every plan that uses the same name.
type Tensor struct {
	Name string
	Kind Kind
	Type quant.Type // F16 for caches, F32 for activations
	Cols int        // elements in a row
	Rows int        // rows; for activations the most a run may use
}

// Op is what a step computes. x, y are activations (n, ·), W a weight.
type Op uint8

const (
	// Embed: dst[i] = W[token[i]]. Src: W (vocab, Cols).
	Embed Op = iota
	// RMSNorm: dst[i] = x[i] / sqrt(mean(x[i]²) + eps) · w. Src: x, w (1, Cols). Arg: eps as float bits.
	RMSNorm
	// MatMul: dst[i][j] = Σ_k x[i][k]·W[j][k]. Src: W (dst.Cols, x.Cols), x.
	MatMul
	// RoPE: every head's pairs (x[2j], x[2j+1]), j < len(Freq), turned by the angle
	// position·Freq[j] and scaled by RoPE.Scale; elements beyond are copied.
	// Src: x (n, heads·headDim). Arg: headDim, index into Plan.Ropes.
	RoPE
	// Store: cache row of position p of the token's sequence = x[i], rounded to f16
	// and clamped to its range. Dst: the cache. Src: x (n, cache.Cols).
	Store
	// Attention, causal, with grouped heads: head h of token i with position p in
	// sequence s reads key head g = h / (nHead/nHeadKV) at positions t = 0…p:
	//   a[t] = softmax_t(scale · q[i][h]·K[t][g]),  dst[i][h] = Σ_t a[t]·V[t][g]
	// Src: q (n, nHead·dimK), K cache, V cache. Arg: nHead, nHeadKV, dimK, dimV, scale as float bits.
	Attention
	// SwiGLU: dst = x / (1 + exp(−x)) · y. Src: x, y.
	SwiGLU
	// Add: dst = x + y. Src: x, y; y may be a bias, a weight (1, Cols) added to every row.
	Add
	// Gather: dst[i] = x[want[i]], from token rows to logits rows. Src: x.
	Gather
	// Sample: the token that Sampler.Pick chooses from x[i] by Inputs.Sampling[i] at the
	// position of token want[i]; −1 where no logit is a number. Always the last step;
	// the answer goes to Outputs.Tokens. Src: x.
	Sample

	numOps
)

var opNames = [numOps]string{"embed", "rmsnorm", "matmul", "rope", "store", "attention", "swiglu", "add", "gather", "sample"}

func (o Op) String() string {
	if o < numOps {
		return opNames[o]
	}
	return fmt.Sprintf("op %d", uint8(o))
}

// Step is one operation. The meaning of Src and Arg is written at each Op.
type Step struct {
	Op  Op
	Dst ID
	Src []ID
	Arg [8]uint32 // fixed scalars, the shader's push block; floats as bits
}

// ArgFloat returns argument i as the float it was written as.
func (s *Step) ArgFloat(i int) float32 { return math.Float32frombits(s.Arg[i]) }

// Rope is a table of rotary angles. Every known scaling (linear, YaRN, factors
// read from the file) is linear in the position, so one frequency a pair holds
// all of it; float64 keeps position·frequency exact enough at any position.
type Rope struct {
	Freq  []float64 // radians per position for each pair (rotary dimensions / 2)
	Scale float32   // of the rotated elements: YaRN's attention factor, else 1
}

// Plan is what one stage computes for up to Tokens tokens at once.
type Plan struct {
	Tensors []Tensor
	Steps   []Step
	Ropes   []Rope
	Tokens  int // most tokens of one run
	Logits  int // most rows of logits of one run
	Hidden  ID  // (Tokens, nEmbd) taken from Inputs.Hidden; None where the stage embeds tokens
	Result  ID  // the tensor that Run returns; (Logits, 1) of type I32 after Sample

	// Trace asks for a program that keeps every activation of a run for Read. It
	// costs memory; set it before Compile.
	Trace bool
	// Profile asks for a program that times every step of a run; see
	// Outputs.StepTime. It slows the run down; set it before Compile.
	Profile bool

	vocab     int // ids that Embed can look up
	cacheRows int // rows of every cache; 0 without caches
}

// Inputs is what changes from run to run, for n ≤ Plan.Tokens tokens.
type Inputs struct {
	Tokens []int32   // (n) ids; for a stage that begins with Embed
	Hidden []float32 // (n, nEmbd) rows from the previous stage, for the others
	Pos    []int32   // (n) position of each token in its sequence, rising within a sequence
	Seq    []int32   // (n) which row of Pages holds the token's block table
	Pages  [][]int32 // block tables: page numbers of positions 0…PageLen−1, PageLen…, and so on
	Want   []int32   // (≤ Plan.Logits) which of the n tokens get logits

	Sampling []Sampling // (len(Want)) how to choose; for a plan that ends with Sample
}

// Outputs is the answer of one run.
type Outputs struct {
	// Result holds the rows of Plan.Result: (n, Cols) or (len(Want), Cols). It is
	// the program's own memory and stands until its next Run.
	Result []float32
	// Tokens holds the chosen tokens, (len(Want)), of a plan that ends with Sample;
	// Result is empty then. The same lifetime.
	Tokens []int32
	// StepTime holds the time each step took, (len(Plan.Steps)), of a plan with
	// Profile set; a step that was done together with an earlier one has 0. It is
	// nil where the backend cannot tell. The same lifetime.
	StepTime []time.Duration
}

// Backend runs plans on one device. Load comes first and once; plans compiled
// afterwards share its weights and caches. One Run at a time over all programs
// of a backend.
type Backend interface {
	Load(src *loader.File, keep []Tensor) error
	Compile(p *Plan) (Program, error)
	Close() error
}

// Program is a compiled plan.
type Program interface {
	Run(in Inputs, out *Outputs) error
	// Read copies the rows of activation t that the last run computed to dst, which
	// has room for them, (rows, Cols), and returns how many values they are. The
	// plan must have Trace set.
	Read(t ID, dst []float32) (int, error)
	Close() error
}

// Keep lists the plan's weights and caches, what Backend.Load wants to know.
func (p *Plan) Keep() []Tensor {
	var keep []Tensor
	for _, t := range p.Tensors {
		if t.Kind == Weight || t.Kind == Cache {
			keep = append(keep, t)
		}
	}
	return keep
}

// weights lists the names of the plan's weights.
func (p *Plan) weights() (names []string) {
	for _, t := range p.Tensors {
		if t.Kind == Weight {
			names = append(names, t.Name)
		}
	}
	return names
}

// Rows is how many rows of each kind of activation a run uses.
type Rows struct{ Tokens, Want int }

// Rows returns the rows that a run with in uses.
func (in *Inputs) Rows() Rows { return Rows{len(in.Pos), len(in.Want)} }

// ActiveRows returns how many of activation t's rows a run of r uses.
func (p *Plan) ActiveRows(t ID, r Rows) int {
	if p.Tensors[t].Kind == LogitsRows {
		return r.Want
	}
	return r.Tokens
}

// Check says what is wrong with inputs for this plan, before a backend indexes
// memory with them.
func (p *Plan) Check(in *Inputs) error {
	n := len(in.Pos)
	if n == 0 || n > p.Tokens {
		return fmt.Errorf("model: %d tokens for a plan of %d", n, p.Tokens)
	}
	if p.Hidden == None {
		if len(in.Tokens) != n {
			return fmt.Errorf("model: %d token ids for %d positions", len(in.Tokens), n)
		}
		for _, id := range in.Tokens {
			if id < 0 || int(id) >= p.vocab {
				return fmt.Errorf("model: token id %d is not in the vocabulary of %d", id, p.vocab)
			}
		}
	} else if want := n * p.Tensors[p.Hidden].Cols; len(in.Hidden) != want {
		return fmt.Errorf("model: %d hidden values for %d tokens, want %d", len(in.Hidden), n, want)
	}
	if len(in.Seq) != n {
		return fmt.Errorf("model: %d sequence numbers for %d positions", len(in.Seq), n)
	}
	for i, s := range in.Seq {
		if s < 0 || int(s) >= len(in.Pages) {
			return fmt.Errorf("model: token %d is of sequence %d of %d", i, s, len(in.Pages))
		}
		pos, table := in.Pos[i], in.Pages[s]
		if pos < 0 || int(pos) >= len(table)*PageLen {
			return fmt.Errorf("model: position %d is outside the %d pages of sequence %d", pos, len(table), s)
		}
	}
	for s, table := range in.Pages {
		for _, page := range table {
			if page < 0 || p.cacheRows > 0 && int(page) >= p.cacheRows/PageLen {
				return fmt.Errorf("model: sequence %d has page %d of %d", s, page, p.cacheRows/PageLen)
			}
		}
	}
	if len(in.Want) > p.Logits {
		return fmt.Errorf("model: logits of %d tokens wanted from a plan of %d", len(in.Want), p.Logits)
	}
	if last := len(p.Steps) - 1; last >= 0 && p.Steps[last].Op == Sample && len(in.Sampling) != len(in.Want) {
		return fmt.Errorf("model: %d ways of sampling for %d tokens", len(in.Sampling), len(in.Want))
	}
	for _, w := range in.Want {
		if w < 0 || int(w) >= n {
			return fmt.Errorf("model: logits of token %d of %d wanted", w, n)
		}
	}
	return nil
}
