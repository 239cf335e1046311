package model

import (
	"fmt"
	"strings"
)

// Config is a model's shape. All sizes are in elements.
type Config struct {
	Architecture string `json:"architecture"`
	Name         string `json:"name"`
	NLayer       int    `json:"n_layer"`                 // transformer blocks
	NDraft       int    `json:"n_layer_draft,omitempty"` // blocks behind those, in the file, that draft tokens and are not run
	NEmbd        int    `json:"n_embd"`                  // width of the residual stream
	NVocab       int    `json:"n_vocab"`                 // tokens in the vocabulary
	NCtx         int    `json:"n_ctx"`                   // positions the model was trained for

	EmbdScale     float32 `json:"embd_scale,omitempty"`       // factor on embeddings; 0 for none
	ResidualScale float32 `json:"residual_scale,omitempty"`   // factor on a branch before it is added; 0 for none
	LogitScale    float32 `json:"logit_scale,omitempty"`      // factor on logits; 0 for none
	NEmbdLayer    int     `json:"n_embd_per_layer,omitempty"` // elements that each layer is given of a token; 0 for none
	LogitCap      float32 `json:"logit_cap,omitempty"`        // most that a logit may be, softly; 0 for any

	Pooling Pooling `json:"pooling,omitzero"` // how embeddings are made, of a model made for them

	Block          // of the first layer, and of all where Blocks is nil
	Blocks []Block `json:"blocks,omitempty"` // (NLayer) where layers differ
}

// Block is the shape of one layer.
type Block struct {
	NFF       int        `json:"n_ff"`             // width of the feed-forward layer
	NHead     int        `json:"n_head"`           // query heads
	NHeadKV   int        `json:"n_head_kv"`        // key and value heads; divides NHead; 0 for a layer without attention
	HeadDimK  int        `json:"head_dim_k"`       // elements of one query or key head; NHead·HeadDimK need not equal NEmbd
	HeadDimV  int        `json:"head_dim_v"`       // elements of one value head
	Window    int        `json:"window,omitempty"` // positions that a token sees, its own included; 0 for all
	RMSEps    float32    `json:"rms_eps"`          // ε of norms
	AttnScale float32    `json:"attn_scale"`       // factor on q·k before softmax
	Rope      RopeConfig `json:"rope"`

	Latent    *Latent `json:"latent,omitempty"`     // of a layer with latent attention
	Taps      int     `json:"taps,omitempty"`       // of a layer with a convolution: the rows that it sees, its own included
	State     *State  `json:"state,omitempty"`      // of a layer with a recurrent state
	NoRope    bool    `json:"no_rope,omitempty"`    // positions are not turned into this layer's heads
	AttnCap   float32 `json:"attn_cap,omitempty"`   // most that a score may be, softly; 0 for any
	LayerNorm bool    `json:"layer_norm,omitempty"` // norms subtract the mean
	KVOf      *int    `json:"kv_of,omitempty"`      // the layer whose keys and values are read; nil for the layer's own
	Ungated   bool    `json:"ungated,omitempty"`    // the feed-forward layer is down·act(up·x), without a gate
	Experts   Experts `json:"experts,omitzero"`     // zero for a layer without

	Act Activation `json:"act,omitempty"` // of the feed-forward layer; SiLU, GELU, ReLU2, or ClampedGate with its ClampedUp
}

// Latent is the shape of latent attention: keys and values of all heads come of one latent
// vector, and of a rotary part that they share.
type Latent struct {
	Dim      int  `json:"n_latent"`           // elements of it
	DimQ     int  `json:"n_latent_q"`         // of what queries come of; 0 for none
	DimK     int  `json:"head_dim_k"`         // of a head's query, its rotary part last
	DimV     int  `json:"head_dim_v"`         // and of its value
	Absorbed bool `json:"absorbed,omitempty"` // memory keeps the latent vector: NHeadKV, HeadDimK and HeadDimV are those of it
}

// Experts is the shape of a layer's mixture of experts.
type Experts struct {
	N         int  `json:"n_expert"`           // experts
	NFF       int  `json:"n_ff"`               // width of each
	NFFShared int  `json:"n_ff_shared"`        // of the one that all rows go to; 0 for none
	NLatent   int  `json:"n_latent,omitempty"` // elements that experts read and write, in the place of n_embd; 0 for these
	Gated     bool `json:"gated"`              // that one has a gate
	Routing
}

// At returns the shape of layer l.
func (c *Config) At(l int) *Block {
	if c.Blocks == nil {
		return &c.Block
	}
	return &c.Blocks[l]
}

// Shape prints dimensions, innermost first, as in "5120×4096".
func Shape(dims ...int) string {
	s := make([]string, len(dims))
	for i, d := range dims {
		s[i] = fmt.Sprint(d)
	}
	return strings.Join(s, "×")
}
