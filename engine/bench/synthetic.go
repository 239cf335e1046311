package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"

	"github.com/edsrzf/mmap-go"

	"eclat/cpu/host"
	"eclat/engine"
	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/arch"
)

// unlinkOpen says that a file that is open can lose its name.
const unlinkOpen = runtime.GOOS != "windows"

// Model is a synthetic model: random weights in a temporary file that is mapped and
// has no name once it is written, so that nothing is left of it however the program ends;
// what reads the same file in another program gives it another name meanwhile. Where a
// mapped file must keep its name (Windows), Close deletes it.
type Model struct {
	name string
	data mmap.MMap
	file *os.File
	gone bool // the file has no name any more
}

// Open opens the model, as often as asked for. The files must be closed before the
// Model is.
func (m *Model) Open() (*loader.File, error) { return loader.FromBytes(m.name, m.data) }

// Close gives disk and memory back.
func (m *Model) Close() error {
	var err error
	if m.data != nil {
		err = m.data.Unmap()
	}
	err = errors.Join(err, m.file.Close())
	if !m.gone {
		err = errors.Join(err, os.Remove(m.file.Name()))
	}
	return err
}

// Synthetic writes a model of a shape with random weights. One that fits neither
// the disk nor main memory is refused before a byte is written. progress is told
// bytes and may be nil.
func Synthetic(ctx context.Context, s Shape, progress func(done, total int64)) (*Model, error) {
	if !arch.Supports(s.Arch) {
		return nil, model.Unsupported(fmt.Errorf("%s is of the architecture %q, which is not supported", s.Name, s.Arch))
	}
	dir := os.TempDir()
	need := s.Bytes() + 64<<20 // tensors, and room for the vocabulary and padding
	if have := host.AvailableMemory(); have > 0 && need > have {
		return nil, fmt.Errorf("%w: %s takes %.1f GB, %.1f GB are available; name fewer layers with --layers 2",
			engine.ErrMemory, s.Name, float64(need)/1e9, float64(have)/1e9)
	}
	if have, ok := freeDisk(dir); ok && need > have {
		return nil, fmt.Errorf("%s takes %.1f GB, %s has room for %.1f GB; name fewer layers with --layers 2, or set TMPDIR",
			s.Name, float64(need)/1e9, dir, float64(have)/1e9)
	}
	f, err := os.CreateTemp(dir, "eclat-"+s.Name+"-*.gguf")
	if err != nil {
		return nil, err
	}
	m := &Model{name: fmt.Sprintf("synthetic %s:%d", s.Name, s.Layers), file: f}
	file := s.file()
	_, err = file.WriteTo(&watched{ctx: ctx, w: f, total: s.Bytes(), progress: progress})
	if err == nil {
		m.data, err = mmap.Map(f, mmap.RDONLY, 0)
	}
	if err == nil && unlinkOpen {
		err = os.Remove(f.Name())
		m.gone = err == nil
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// watched is a writer that can be cancelled and tells how far it is.
type watched struct {
	ctx         context.Context
	w           io.Writer
	done, total int64
	progress    func(done, total int64)
}

func (w *watched) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.w.Write(b)
	if w.done += int64(n); w.progress != nil {
		w.progress(min(w.done, w.total), w.total)
	}
	return n, err
}

// file describes the model: metadata, a vocabulary of no meaning and the tensors.
func (s *Shape) file() *ggufwrite.File {
	f := &ggufwrite.File{}
	for _, kv := range []ggufwrite.KV{
		{Key: "general.architecture", Value: s.Arch},
		{Key: "general.name", Value: fmt.Sprintf("synthetic %s, %d layers", s.Name, s.Layers)},
		{Key: "general.file_type", Value: uint32(15)}, // Q4_K_M
		{Key: "general.quantization_version", Value: uint32(2)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: "tekken"},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(0)},
		{Key: "tokenizer.ggml.add_bos_token", Value: true},
		{Key: "tokenizer.ggml.merges", Value: []string{"t h"}},
	} {
		f.Set(kv.Key, kv.Value)
	}
	keys{
		{Key: "block_count", Value: uint32(s.Layers)},
		{Key: "context_length", Value: uint32(s.Context)},
		{Key: "embedding_length", Value: uint32(s.Embd)},
		{Key: "feed_forward_length", Value: uint32(s.FF)},
		{Key: "attention.head_count", Value: uint32(s.Heads)},
		{Key: "attention.head_count_kv", Value: uint32(s.HeadsKV)},
		{Key: "attention.key_length", Value: uint32(s.HeadDim)},
		{Key: "attention.value_length", Value: uint32(s.HeadDim)},
		{Key: "attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Key: "rope.dimension_count", Value: uint32(s.HeadDim)},
		{Key: "rope.freq_base", Value: s.RopeBase},
		{Key: "vocab_size", Value: uint32(s.Vocab)},
	}.set(f, s.Arch)
	if s.keys != nil {
		s.keys(s).set(f, s.Arch)
	}
	tokens, types := vocabulary(s.Vocab)
	f.Set("tokenizer.ggml.tokens", tokens)
	f.Set("tokenizer.ggml.token_type", types)
	pieces := map[pieceKey][]byte{}
	for _, p := range s.parts() {
		f.Tensors = append(f.Tensors, ggufwrite.Tensor{Name: p.name, Type: p.ty, Dims: p.dims, Data: p.data(pieces)})
	}
	return f
}

// vocabulary returns n tokens: three control tokens, the 256 bytes in GPT-2's
// alphabet, and fillers.
func vocabulary(n int) (tokens []string, types []int32) {
	const normal, control = 1, 3
	add := func(s string, ty int32) { tokens, types = append(tokens, s), append(types, ty) }
	for _, s := range []string{"<unk>", "<s>", "</s>"} {
		add(s, control)
	}
	// Bytes that print stand for themselves, the others for U+0100 and up.
	next := rune(256)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae && b <= 0xff {
			add(string(b), normal)
			continue
		}
		add(string(next), normal)
		next++
	}
	for i := 0; len(tokens) < n; i++ {
		add(fmt.Sprintf("t%d", i), normal)
	}
	return tokens, types
}

// pieceBlocks bounds the blocks of a piece of random weights that is repeated:
// 9 MB of Q4_K, more than the caches near a processor's cores.
const pieceBlocks = 1 << 16

type pieceKey struct {
	ty     quant.Type
	blocks int
	cols   int
}

// data returns the tensor's weights, or a piece to repeat: vectors are all ones,
// matrices random with a standard deviation of 1/√columns, so that activations
// keep their size through any number of layers.
func (p *part) data(pieces map[pieceKey][]byte) []byte {
	block, size := p.ty.Block()
	if p.ty == quant.F32 {
		return ggufwrite.Encode(p.ty, slicesOf(float32(1), p.elems()))
	}
	total := p.elems() / block
	n := min(total, pieceBlocks)
	for total%n != 0 {
		n--
	}
	k := pieceKey{p.ty, n, p.dims[0]}
	if pieces[k] != nil {
		return pieces[k]
	}
	b := make([]byte, n*size)
	r := rand.NewChaCha8([32]byte{byte(p.ty)})
	r.Read(b)
	// A random block's weights are its scale times numbers whose deviation is about
	// 195 for Q4_K (six-bit scales times four-bit steps), 1370 for Q6_K (eight-bit scales
	// times six-bit steps), 74 for Q8_0, 9.2 for Q5_0 and 2.9 for MXFP4.
	std := 1 / math.Sqrt(float64(p.dims[0]))
	half := func(at int, x float64) { binary.LittleEndian.PutUint16(b[at:], quant.FloatToHalf(float32(x))) }
	for i := 0; i < len(b); i += size {
		switch p.ty {
		case quant.Q4_K:
			half(i, std/195)
			half(i+2, 7.5*std/195) // takes the mean away
		case quant.Q6_K:
			half(i+208, std/1370)
		case quant.Q8_0:
			half(i, std/74)
		case quant.Q5_0:
			half(i, std/9.2)
		case quant.MXFP4:
			b[i] = byte(127 + math.Round(math.Log2(std/2.9)))
		case quant.F16:
			half(i, std*float64(int8(b[i]))/74)
		}
	}
	pieces[k] = b
	return b
}

func slicesOf(v float32, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = v
	}
	return out
}
