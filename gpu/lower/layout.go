package gpu

import (
	"math"

	"eclat/gpu/vk"
	"eclat/loader/quant"
	"eclat/model"
)

// Inputs is where the words of a program's inputs buffer lie: one storage buffer
// of 32-bit words that the host writes before each run and shaders read.
//
//	word 0              n, the active tokens of this run
//	word 1              the rows whose logits are wanted
//	word Tokens+i       token id of token i
//	word Pos+i          its position
//	word Table+i        where its sequence's block table begins: the page of position
//	                    p is word in[in[Table+i] + p/model.PageLen]
//	word Want+r         the token whose logits row r holds
//	word Sampling+8·r   how row r is sampled; see the Sample… constants
//	word Turns[t]+2·(i·pairs+j)  cosine, then sine, of pair j of rope t at token i's
//	                    position, both times Rope.Scale, as float bits
//
// All areas have room for the plan's Tokens and Logits; a shader must not trust
// what lies beyond n. Only the offsets below are fixed when the plan is recorded.
type Inputs struct {
	Tokens, Pos, Table, Want, Sampling uint32
	Turns                              []uint32 // one a rope of the plan; even
	Pages                              uint32   // block tables, packed
	Hidden                             uint32   // rows of Plan.Hidden, copied to the activations before the first step
	Indirect                           uint32   // sizes of indirect dispatches, 4 words each
	Words                              uint32   // all of it
}

// Words of one row's sampling parameters.
const (
	SampleTemp  = iota // temperature, float bits; 0 is greedy
	SampleTopK         // 0 is off
	SampleTopP         // float bits; 0 and 1 are off
	SampleMinP         // ln(min-p), float bits; −Inf is off: a logit is kept when it is ≥ top + this
	SampleSeed0        // low word of the seed
	SampleSeed1        // high word
	SamplePos          // position of the row's token
	sampleSpare
	SampleWords // words a row
)

// inputsFor lays out the inputs of a plan whose caches have the given pages and
// which has the given number of indirect dispatches.
func inputsFor(p *model.Plan, pages, indirect int) Inputs {
	at := 16 // words 2…15 are spare
	area := func(words int) uint32 {
		a := at
		at += (words + 15) &^ 15 // whole 64-byte lines
		return uint32(a)
	}
	in := Inputs{
		Tokens:   area(p.Tokens),
		Pos:      area(p.Tokens),
		Table:    area(p.Tokens),
		Want:     area(p.Logits),
		Sampling: area(p.Logits * SampleWords),
	}
	for _, r := range p.Ropes {
		in.Turns = append(in.Turns, area(p.Tokens*len(r.Freq)*2))
	}
	// Every token may be of a sequence of its own that fills the cache.
	in.Pages = area(p.Tokens * pages)
	if p.Hidden != model.None {
		at = (at + 63) &^ 63
		in.Hidden = area(p.Tokens * p.Tensors[p.Hidden].Cols)
	}
	in.Indirect = area(indirect * 4) // last, so that no other area moves with their number
	in.Words = uint32(at)
	return in
}

// Memory names what a binding of a dispatch refers to.
type Memory uint8

const (
	Inputs0  Memory = iota // the inputs buffer, whole
	Act                    // an activation of the plan: Tensor
	WeightOf               // part Part of the weight Tensor
	CacheOf                // the key or value memory Tensor, (Rows, Cols) f16, whole
	Scratch                // Size bytes at Offset of memory that lives within a run
	Tokens0                // the sampled tokens, int32, one a wanted row
	Control                // Size bytes at Offset of memory that starts as zeros and lives on from run to run
)

// Bind is one binding of a dispatch; storage buffers first, then texel buffers.
type Bind struct {
	Mem    Memory
	Tensor model.ID
	Part   int   // of WeightOf
	Offset int64 // bytes; of Scratch and Control a multiple of 256; of Act bytes into the tensor
	Size   int64 // bytes; of Scratch and Control; 0 of an Act is the rest of the tensor
	Write  bool  // the dispatch writes here (and may read)
}

// Dispatch is one recorded launch of a kernel.
type Dispatch struct {
	Kernel   string // variant's name, as in the table of shaders; names pipelines and messages
	SPIRV    []byte
	Layout   vk.Layout
	Spec     []uint32 // specialization constants 0, 1, …
	Subgroup uint32   // required subgroup size; 0 for any
	Push     []uint32
	Bind     []Bind
	Groups   [3]uint32 // workgroups, for the plan's full Tokens
	// Indirect, when not nil, gives the workgroups of one run in place of Groups,
	// called on the host before each run. It must not allocate. A 0 skips the dispatch.
	Indirect func(r Run) [3]uint32
	// Beside says that the dispatch may run beside the previous one of the same
	// Lower call although both write the same tensor (parts of a split weight).
	Beside bool
	// Cost for bounded submits and reports: bytes moved and float operations.
	Bytes, Flops int64
}

// Run is what a run's dispatch sizes may depend on.
type Run struct {
	Tokens int // active tokens
	Want   int // rows of logits
	Len    int // longest context: the greatest position + 1
}

// Part is a range of rows of a weight that one binding can hold.
type Part struct {
	First, Rows int   // rows of the weight
	Bytes       int64 // Rows · WeightInfo.RowBytes, rounded up to 16
}

// WeightInfo is how a loaded weight lies in device memory.
type WeightInfo struct {
	Type     quant.Type
	Rows     int
	Cols     int // elements
	RowBytes int // bytes of a row as it lies on the device, repacked or not
	Repacked bool
	Parts    []Part
}

// Repack changes the layout of a type's rows while they are uploaded.
type Repack struct {
	RowBytes func(cols int) int                    // bytes of a repacked row
	Rows     func(dst, src []byte, rows, cols int) // packs whole rows; dst is rows·RowBytes, src as in the file
}

// Lowering is what Kernels.Lower sees of a plan.
type Lowering struct {
	Plan   *model.Plan
	Info   vk.Info
	In     Inputs // areas; Indirect and Words are not final
	Weight func(id model.ID) *WeightInfo
	Pages  int // pages of the caches
	// Used counts the steps that read a tensor, Plan.Result as one more: a fused
	// kernel may leave a tensor unwritten only when it is the one reader.
	Used []int
}

// floatWord returns the bits of x as a word of the inputs.
func floatWord(x float32) uint32 { return math.Float32bits(x) }
