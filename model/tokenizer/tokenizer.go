package tokenizer

import (
	"fmt"

	"eclat/loader"
)

// Tokenizer is the vocabulary of a model and the rules to use it.
type Tokenizer struct {
	texts  []string         // as in the file
	attrs  []attr           // of each token
	pieces []string         // the bytes each token stands for
	ids    map[string]int32 // BPE: by the bytes its text spells; else by text
	odd    map[string]int32 // BPE: tokens whose text spells no bytes, by text

	bos, eos       int32 // -1: none
	addBOS, addEOS bool
	eog            map[int32]bool

	special specials // control, unknown and user-defined tokens
	user    specials // user-defined tokens only

	pairs  pairTable
	extras [][]int32 // the tokens for symbol Size()+i

	bpe *bpe // one of the two is nil
	spm *spm // SentencePiece and Gemma 4
}

// New reads the vocabulary of a file. Errors about its contents are
// *loader.FormatError.
func New(f *loader.File) (*Tokenizer, error) {
	m := &metadata{f: f}
	t := &Tokenizer{}
	model := m.str(prefix+"model", "")
	build := map[string]func(*metadata){"gpt2": t.newBPE, "llama": t.newSPM, "gemma4": t.newGemma4}[model]
	if build == nil {
		m.fail(prefix+"model", "tokenizer %.40q is not supported; supported are gpt2 (byte-level BPE), llama (SentencePiece) and gemma4", model)
	}
	t.texts = m.strings("tokens")
	if m.err == nil && len(t.texts) == 0 {
		m.fail(prefix+"tokens", "there is no vocabulary")
	}
	if m.err != nil {
		return nil, m.err
	}
	t.attrs = m.types()
	if m.err != nil {
		return nil, m.err
	}
	for i, s := range t.texts {
		if s == "" { // a name that no text spells by chance
			t.texts[i] = fmt.Sprintf("[EMPTY_%d]", i)
		}
	}
	build(m)
	if m.err == nil {
		t.classify(m)
	}
	if t.addBOS && t.bos < 0 {
		m.fail(prefix+"bos_token_id", "a beginning-of-sequence token is to be added but there is none")
	}
	if t.addEOS && t.eos < 0 {
		m.fail(prefix+"eos_token_id", "an end-of-sequence token is to be added but there is none")
	}
	if m.err != nil {
		return nil, m.err
	}
	t.makePieces()
	return t, nil
}

// readEnds reads the keys about beginning and end of sequence, given what holds
// without them. Ids the vocabulary does not have count as none.
func (t *Tokenizer) readEnds(m *metadata, bos, eos int32, addBOS bool) {
	have := func(id int32) int32 {
		if int(id) < len(t.texts) {
			return id
		}
		return -1
	}
	t.bos = m.id("bos_token_id", have(bos))
	t.eos = m.id("eos_token_id", have(eos))
	t.addBOS = m.flag("add_bos_token", addBOS)
	t.addEOS = m.flag("add_eos_token", false)
}

// addID enters token i into a map from text to id; no text may occur twice.
func (t *Tokenizer) addID(m *metadata, ids map[string]int32, key string, i int) {
	if before, ok := ids[key]; ok {
		m.fail(prefix+"tokens", "tokens %d and %d are both %.80q", before, i, t.texts[i])
		return
	}
	ids[key] = int32(i)
}

// Encode appends the ids of the tokens of text to dst. No beginning-of-sequence
// token is added: see AddBOS and BOS.
//
// With special, the text of control tokens is read as these tokens: for
// templates, not for what users write. User-defined tokens are always read.
// Text that is not UTF-8 is allowed: byte-level BPE reads bytes that are in no
// character as U+FFFD, as does Gemma 4's; SentencePiece keeps them.
func (t *Tokenizer) Encode(dst []int32, text string, special bool) []int32 {
	if text == "" {
		return dst
	}
	return t.encode(dst, t.partition(text, special))
}

// EncodeMarked is Encode with special, but for the plain ranges: a control token whose
// text touches one of them stays text. The ranges ascend and do not overlap. The text
// is read as one: words and merges go across the ranges' ends, as in Encode.
func (t *Tokenizer) EncodeMarked(dst []int32, text string, plain []Range) []int32 {
	if text == "" {
		return dst
	}
	return t.encode(dst, t.cut(text, &t.special, plain))
}

func (t *Tokenizer) encode(dst []int32, parts []fragment) []int32 {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	afterSpecial := true // so is the start of the text
	for _, part := range parts {
		switch {
		case part.id >= 0:
			dst = append(dst, part.id)
		case t.bpe != nil:
			dst = t.encodeBPE(dst, s, clean(part.text), t.bpe.pre.splitters)
		case t.spm.lines:
			dst = t.encodeGemma4(dst, s, clean(part.text))
		default:
			dst = t.encodeSPM(dst, s, part.text, afterSpecial)
		}
		afterSpecial = part.id >= 0
	}
	return dst
}

// AddBOS reports whether the model wants BOS before the text.
func (t *Tokenizer) AddBOS() bool { return t.addBOS }

// AddEOS reports whether the model wants EOS after the text.
func (t *Tokenizer) AddEOS() bool { return t.addEOS }

// BOS returns the beginning-of-sequence token; false if there is none.
func (t *Tokenizer) BOS() (int32, bool) { return t.bos, t.bos >= 0 }

// EOS returns the end-of-sequence token; false if there is none.
func (t *Tokenizer) EOS() (int32, bool) { return t.eos, t.eos >= 0 }

// IsEOG reports whether a model that generates this token has ended its turn or
// the text: EOS and whatever else ends generation in llama.cpp.
func (t *Tokenizer) IsEOG(id int32) bool { return t.eog[id] }

// Size returns the number of tokens; ids are 0 to Size()-1.
func (t *Tokenizer) Size() int { return len(t.texts) }

// Text returns the text of a token as it is in the file, "" for an id outside
// the vocabulary. For the text it stands for see Append.
func (t *Tokenizer) Text(id int32) string {
	if !t.valid(id) {
		return ""
	}
	return t.texts[id]
}

// IsControl reports whether a token is a control token, which stands for no
// text.
func (t *Tokenizer) IsControl(id int32) bool { return t.valid(id) && t.attrs[id]&attrControl != 0 }

// ID returns the token whose text in the file is text.
func (t *Tokenizer) ID(text string) (int32, bool) {
	ids, key := t.ids, text
	if t.bpe != nil {
		if bytes, ok := spelled(nil, text); ok {
			key = string(bytes)
		} else {
			ids = t.odd
		}
	}
	id, ok := ids[key]
	return id, ok
}

func (t *Tokenizer) valid(id int32) bool { return 0 <= id && int(id) < len(t.texts) }
