package lower

import (
	"math"

	"eclat/loader/quant"
	"eclat/model"
	"eclat/shaders"
)

// Inputs is where the words of a program's inputs buffer lie: one storage buffer
// of 32-bit words that the host writes before each run and shaders read.
//
//	word 0              n, the tokens of this run
//	word 1              the rows whose answers are wanted
//	word 2              the runs of tokens, one a sequence
//	word Tokens+i       token id of token i; −1 for a row of the batch
//	word Pos+i          its position in its sequence
//	word Table[p]+i     of a pool with pages: where its sequence's block table would begin,
//	                    so that the page of position t is word in[in[Table[p]+i] + t/model.PageLen],
//	                    for every t that the token sees
//	word Table[p]+4·s   of a pool with slots: run s's first token, its tokens, its slot and
//	                    its first token's position
//	word Want+r         the token whose answer row r holds
//	word Sampling+8·r   how row r is sampled; see the Sample… constants
//	word Turns[t]+2·(i·pairs+j)  cosine, then sine, of pair j of rope t at token i's
//	                    position, both times Rope.Scale, as float bits
//	word Rows+i·width+e element e of token i's own row, as float bits
//
// All areas have room for the program's Size; a shader must not trust what lies
// beyond n. Only the offsets below are fixed when the plan is recorded.
type Inputs struct {
	Tokens, Pos, Want, Sampling uint32
	Table                       []uint32 // one a pool
	Turns                       []uint32 // one a rope of the plan; even
	Pages                       uint32   // block tables, packed
	TableWords                  int      // room for them
	Rows                        uint32   // of tokens without id; of a stage that takes rows copied to the activations before the first step
	Indirect                    uint32   // sizes of indirect dispatches, 4 words each
	Words                       int      // all of it
}

// RunWords is how many words a run takes in the table of a pool with slots.
const RunWords = 4

// Words of one row's sampling parameters.
const (
	SampleFactor = iota // Params.Factor, float bits; below 0 is greedy
	SampleTopK          // 0 is off
	SampleTopP          // float bits; 0 and 1 are off
	SampleLeast         // Params.Least, float bits: a logit is kept when it is ≥ top + this
	SampleSeed0         // low word of the seed
	SampleSeed1         // high word
	SamplePos           // position of the row's token
	sampleSpare
	SampleWords // words a row
)

// sharedTables is how many words there are for block tables beyond one for every
// page: sequences that share a prefix each name its pages again.
const sharedTables = 1 << 18

// tableWords is the room for the block tables of one run: every token may be of a
// sequence of its own, with a table of all pages of a pool, as long as that is less
// than one word for every page there is and sharedTables more. A batch that needs
// more (a thousand sequences over one prefix of 8,192 positions) is refused.
func tableWords(p *model.Plan, s model.Size) int {
	all, once := 0, sharedTables
	for _, pool := range p.Pools {
		if pool.Per == model.Sequence {
			continue
		}
		all += s.Tokens * (min(pool.Units, math.MaxInt32) + 1)
		once += pool.Units
	}
	return min(all, once)
}

// InputsFor lays out the inputs of a program with the given number of indirect
// dispatches.
func InputsFor(p *model.Plan, o model.CompileOptions, indirect int) Inputs {
	at := 16 // words 3…15 are spare
	area := func(words int) uint32 {
		a := at
		at += (words + 15) &^ 15 // whole 64-byte lines
		return uint32(a)
	}
	in := Inputs{
		Tokens:   area(o.Tokens),
		Pos:      area(o.Tokens),
		Want:     area(o.Want),
		Sampling: area(o.Want * SampleWords),
	}
	for _, pool := range p.Pools {
		each := 1
		if pool.Per == model.Sequence {
			each = RunWords
		}
		in.Table = append(in.Table, area(o.Tokens*each))
	}
	for _, r := range p.Ropes {
		in.Turns = append(in.Turns, area(o.Tokens*len(r.Freq)*2))
	}
	in.TableWords = tableWords(p, o.Size)
	in.Pages = area(in.TableWords)
	if p.Hidden != model.None || o.Rows {
		at = (at + 63) &^ 63
		in.Rows = area(o.Tokens * p.Width())
	}
	in.Indirect = area(indirect * 4) // last, so that no other area moves with their number
	in.Words = at
	return in
}

// Memory names what a binding of a dispatch refers to.
type Memory uint8

const (
	Inputs0  Memory = iota // the inputs buffer, whole
	Act                    // an activation of the plan: Tensor
	WeightOf               // part Part of the weight Tensor
	KeptIn                 // the memory Tensor, (Rows, Cols), whole
	Scratch                // Size bytes at Offset of memory that lives within a run
	Tokens0                // the sampled tokens, int32, one a wanted row
)

// Bind is one binding of a dispatch; storage buffers first, then texel buffers.
type Bind struct {
	Mem    Memory
	Tensor model.ID
	Part   int   // of WeightOf
	Offset int64 // bytes; of Scratch a multiple of 256; of Act bytes into the tensor
	Size   int64 // bytes; of Scratch; 0 of an Act is the rest of the tensor
	Write  bool  // the dispatch writes here (and may read)
}

// Dispatch is one recorded launch of a kernel.
type Dispatch struct {
	Kernel   string // the variant's name, in messages
	Variant  *shaders.Variant
	SPIRV    []byte
	Spec     []uint32 // specialization constants 0, 1, …
	Subgroup uint32   // required subgroup size; 0 for any
	Push     []uint32
	Bind     []Bind
	Groups   [3]uint32 // workgroups of the largest run
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
	Tokens int
	Want   int // rows of the answer
	Seqs   int // runs of tokens, one a sequence
	Most   int // tokens of the longest run
	Len    int // longest context: the greatest position + 1
}

// Part is a range of rows of a weight that one binding can hold.
type Part struct {
	First, Rows int   // rows of the weight
	Bytes       int64 // Rows · WeightInfo.RowBytes, rounded up to 16, and TableBytes
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

// FloatWord returns the bits of x as a word of the inputs.
func FloatWord(x float32) uint32 { return math.Float32bits(x) }
