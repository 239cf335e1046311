package tokenizer

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"eclat/loader"
	"eclat/loader/ggufwrite"
)

func TestAccessors(t *testing.T) {
	tok := with(t, "bpe.gguf", nil)
	if tok.Size() != 1166 {
		t.Errorf("Size %d", tok.Size())
	}
	if bos, ok := tok.BOS(); bos != 1 || !ok || !tok.AddBOS() {
		t.Errorf("BOS %d %v, added: %v", bos, ok, tok.AddBOS())
	}
	if eos, ok := tok.EOS(); eos != 2 || !ok || tok.AddEOS() {
		t.Errorf("EOS %d %v, added: %v", eos, ok, tok.AddEOS())
	}
	for _, c := range []struct {
		text     string
		id       int32
		control  bool
		eog      bool
		stands   string // for Append
		specials string // with special tokens printed
	}{
		{"<unk>", 0, false, false, "", "<unk>"},
		{"<s>", 1, true, false, "", "<s>"},
		{"</s>", 2, true, true, "", "</s>"},
		{"[INST]", 3, true, false, "", "[INST]"},
		{"<|im_end|>", 5, true, true, "", "<|im_end|>"},
		{"keep this", 7, false, false, "keep this", "keep this"}, // as it is: the space is no Ġ
		{"A", 73, false, false, "A", "A"},
		{"Ġquick", 1156, false, false, " quick", " quick"},
		{"[PAD0]", 1162, false, false, "", ""},
	} {
		id, ok := tok.ID(c.text)
		if id != c.id || !ok {
			t.Errorf("ID(%q) = %d %v, want %d", c.text, id, ok, c.id)
			continue
		}
		if got := tok.Text(id); got != c.text {
			t.Errorf("Text(%d) = %q, want %q", id, got, c.text)
		}
		if tok.IsControl(id) != c.control || tok.IsEOG(id) != c.eog {
			t.Errorf("%s: control %v, ends %v", c.text, tok.IsControl(id), tok.IsEOG(id))
		}
		if got := string(tok.Append(nil, id, false)); got != c.stands {
			t.Errorf("Append(%s) = %q, want %q", c.text, got, c.stands)
		}
		if got := string(tok.Append(nil, id, true)); got != c.specials {
			t.Errorf("Append(%s, special) = %q, want %q", c.text, got, c.specials)
		}
	}
	for _, id := range []int32{-1, math.MinInt32, 1166, math.MaxInt32} {
		if tok.Text(id) != "" || tok.IsControl(id) || tok.IsEOG(id) || len(tok.Append(nil, id, true)) != 0 {
			t.Errorf("id %d is outside the vocabulary", id)
		}
	}
	if id, ok := tok.ID("no such token"); ok {
		t.Errorf("found as %d", id)
	}
}

func TestDefaults(t *testing.T) {
	none := map[string]any{"bos_token_id": nil, "eos_token_id": nil, "add_bos_token": nil, "add_eos_token": nil}
	for _, c := range []struct {
		file, pre string
		bos, eos  int32
		addBOS    bool
	}{
		{"bpe.gguf", "gpt-2", 11, 11, false},
		{"bpe.gguf", "tekken", 11, 11, true},
		{"bpe.gguf", "llama-bpe", 11, 11, true},
		{"bpe.gguf", "qwen2", 11, 11, false},
		{"bpe.gguf", "glm4", -1, 11, false},
		{"spm.gguf", "", 1, 2, true},
	} {
		none["pre"] = c.pre
		tok := with(t, c.file, none)
		bos, _ := tok.BOS()
		eos, _ := tok.EOS()
		if bos != c.bos || eos != c.eos || tok.AddBOS() != c.addBOS || tok.AddEOS() {
			t.Errorf("%s %s: BOS %d, EOS %d, added %v and %v", c.file, c.pre, bos, eos, tok.AddBOS(), tok.AddEOS())
		}
	}
}

// TestLenient holds what files in use get wrong and llama.cpp forgives.
func TestLenient(t *testing.T) {
	for name, edits := range map[string]map[string]any{
		"no unknown token, as -1":      {"unknown_token_id": uint32(math.MaxUint32)},
		"padding past the vocabulary":  {"padding_token_id": uint32(1166)},
		"no beginning, as -1":          {"bos_token_id": int32(-1)},
		"no types":                     {"token_type": nil},
		"a type nobody knows":          {"token_type": types(map[int]int32{100: 77})},
		"two empty tokens":             {"tokens": tokens(map[int]string{600: "", 601: ""})},
		"a token of other characters":  {"tokens": tokens(map[int]string{600: "日本 x"})},
		"a token that is not UTF-8":    {"tokens": tokens(map[int]string{600: "\xff"})},
		"a merge of unknown parts":     {"merges": []string{"qq zz", "日 本", "a b", "a b"}},
		"no merges at all but the key": {"merges": []string{}},
		"no pre-tokenizer":             {"pre": nil},
	} {
		tok, err := New(edited(t, "bpe.gguf", edits))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range goldenTexts(t) {
			decodes(t, tok, text)
		}
	}
}

func tokens(changes map[int]string) []string {
	f, err := loader.Open(testdata + "/bpe.gguf")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	v, _ := f.Get(prefix + "tokens")
	s, _ := v.Strings()
	for i, text := range changes {
		s[i] = text
	}
	return s
}

func types(changes map[int]int32) []int32 {
	s := make([]int32, 1166)
	for i := range s {
		s[i] = 1
		if change, ok := changes[i]; ok {
			s[i] = change
		}
	}
	return s
}

// TestRefusal holds that a bad vocabulary is refused with one line that names
// the key.
func TestRefusal(t *testing.T) {
	nan := make([]float32, 2703)
	nan[5] = float32(math.NaN())
	for _, c := range []struct {
		file, key, says string
		edits           map[string]any
	}{
		{"bpe.gguf", "model", `"t5" is not supported`, map[string]any{"model": "t5"}},
		{"bpe.gguf", "model", "not supported", map[string]any{"model": nil}},
		{"bpe.gguf", "model", "not string", map[string]any{"model": uint32(1)}},
		{"bpe.gguf", "pre", `"klingon" is not supported; supported are`, map[string]any{"pre": "klingon"}},
		{"bpe.gguf", "pre", "the nearest is qwen35", map[string]any{"pre": "qwen36"}},
		{"bpe.gguf", "pre", "the nearest is deepseek-v3", map[string]any{"pre": "deepseek-v4"}},
		{"bpe.gguf", "pre", "the nearest is", map[string]any{"pre": strings.Repeat("x", 1<<20)}},
		{"bpe.gguf", "pre", "not string", map[string]any{"pre": []string{"tekken"}}},
		{"bpe.gguf", "tokens", "no vocabulary", map[string]any{"tokens": nil}},
		{"bpe.gguf", "tokens", "no vocabulary", map[string]any{"tokens": []string{}}},
		{"bpe.gguf", "tokens", "not an array of strings", map[string]any{"tokens": []int32{1}}},
		{"bpe.gguf", "tokens", "not an array of strings", map[string]any{"tokens": "a"}},
		{"bpe.gguf", "tokens", "tokens 73 and 600 are both", map[string]any{"tokens": tokens(map[int]string{600: "A"})}},
		{"bpe.gguf", "tokens", "are both", map[string]any{"tokens": tokens(map[int]string{600: "日", 601: "日"})}},
		{"bpe.gguf", "tokens", "the most allowed", map[string]any{"tokens": make([]string, maxTokens+1)}},
		{"bpe.gguf", "token_type", "3 entries for 1166", map[string]any{"token_type": []int32{1, 1, 1}}},
		{"bpe.gguf", "token_type", "integers", map[string]any{"token_type": make([]float32, 1166)}},
		{"bpe.gguf", "token_type", "integers", map[string]any{"token_type": types(map[int]int32{3: -1})}},
		{"bpe.gguf", "merges", "no merges", map[string]any{"merges": nil}},
		{"bpe.gguf", "merges", "not an array of strings", map[string]any{"merges": []int32{1}}},
		{"bpe.gguf", "merges", `merge 1 is "ab", not two parts`, map[string]any{"merges": []string{"a b", "ab"}}},
		{"bpe.gguf", "merges", "not two parts", map[string]any{"merges": []string{""}}},
		{"bpe.gguf", "merges", "not two parts", map[string]any{"merges": []string{"a "}}},
		{"bpe.gguf", "merges", "not two parts", map[string]any{"merges": []string{" b"}}},
		{"bpe.gguf", "merges", "not two parts", map[string]any{"merges": []string{"a b c"}}},
		{"bpe.gguf", "merges", "the most allowed", map[string]any{"merges": make([]string, maxTokens+1)}},
		{"bpe.gguf", "bos_token_id", "token id 1166 is outside", map[string]any{"bos_token_id": uint32(1166)}},
		{"bpe.gguf", "eos_token_id", "token id -2 is outside", map[string]any{"eos_token_id": int32(-2)}},
		{"bpe.gguf", "eot_token_id", "outside", map[string]any{"eot_token_id": uint32(99999)}},
		{"bpe.gguf", "eom_token_id", "outside", map[string]any{"eom_token_id": uint64(1 << 40)}},
		{"bpe.gguf", "bos_token_id", "outside", map[string]any{"bos_token_id": "1"}},
		{"bpe.gguf", "add_bos_token", "not bool", map[string]any{"add_bos_token": uint32(1)}},
		{"bpe.gguf", "bos_token_id", "there is none", map[string]any{"pre": "glm4", "bos_token_id": nil, "add_bos_token": true}},
		{"bpe.gguf", "eos_token_id", "there is none", map[string]any{"tokens": []string{"a"}, "token_type": nil,
			"bos_token_id": nil, "eos_token_id": nil, "add_bos_token": false, "add_eos_token": true}},
		{"gemma4.gguf", "merges", "no merges", map[string]any{"merges": nil}},
		{"gemma4.gguf", "merges", "not two parts", map[string]any{"merges": []string{"a b c"}}},
		{"gemma4.gguf", "tokens", "are both", map[string]any{"tokens": []string{"a", "a"}, "token_type": nil,
			"bos_token_id": nil, "eos_token_id": nil, "unknown_token_id": nil}},
		{"gemma4.gguf", "bos_token_id", "there is none", map[string]any{"bos_token_id": nil}},
		{"spm.gguf", "scores", "1 entries for 2703", map[string]any{"scores": []float32{1}}},
		{"spm.gguf", "scores", "floats", map[string]any{"scores": make([]int32, 2703)}},
		{"spm.gguf", "scores", "score 5 is NaN", map[string]any{"scores": nan}},
		{"spm.gguf", "tokens", "the most allowed is 1024", map[string]any{"tokens": []string{strings.Repeat("x", 1025)},
			"token_type": nil, "scores": nil, "bos_token_id": nil, "eos_token_id": nil}},
		{"spm.gguf", "add_space_prefix", "not bool", map[string]any{"add_space_prefix": "yes"}},
	} {
		_, err := New(edited(t, c.file, c.edits))
		var bad *loader.FormatError
		if !errors.As(err, &bad) {
			t.Errorf("%s %s: %v, want a FormatError", c.key, c.says, err)
			continue
		}
		if text := err.Error(); bad.Field != prefix+c.key || !strings.Contains(text, c.says) || strings.Contains(text, "\n") {
			t.Errorf("%s: want %q about %s", text, c.says, c.key)
		}
	}
}

// TestEndings holds how llama.cpp's list of tokens that end generation is read.
func TestEndings(t *testing.T) {
	names := []string{"<|return|>", "<|call|>", "<|end|>", "<|channel|>", "<|fim_pad|>", "<|file_sep|>", "<|fim_prefix|>", "<eos>"}
	changes := map[int]string{}
	for i, name := range names {
		changes[900+i] = name
	}
	tok := with(t, "bpe.gguf", map[string]any{"tokens": tokens(changes), "token_type": nil, "eot_token_id": uint32(1000)})
	for _, c := range []struct {
		id           int32
		control, eog bool
	}{
		{900, true, true}, {901, true, true},
		{902, false, false}, // with <|return|> and <|call|> it ends a message only
		{903, false, false}, // text to be shown
		{904, true, true}, {905, true, true},
		{906, true, false},
		{907, true, true},
		{1000, false, true}, // by its key
	} {
		if tok.IsControl(c.id) != c.control || tok.IsEOG(c.id) != c.eog {
			t.Errorf("%s: control %v, ends %v", tok.Text(c.id), tok.IsControl(c.id), tok.IsEOG(c.id))
		}
	}
}

// TestGemma4 holds what is Gemma 4's own: the beginning of the text, runs of
// newlines, merges through strings that are no tokens, </s> as text.
func TestGemma4(t *testing.T) {
	tok := with(t, "gemma4.gguf", map[string]any{
		"tokens":     []string{"<eos>", "<bos>", "\n", "\n\n\n", "▁", "a", "b", "abcd", "<0x63>", "<0x64>", "<|tool_response>", "</s>", "▁a"},
		"token_type": []int32{3, 3, 1, 1, 1, 1, 1, 1, 6, 6, 3, 1, 1},
		"merges":     []string{"▁ a", "c d", "a b", "ab cd", "\n \n"}, "add_bos_token": false,
		"bos_token_id": uint32(1), "eos_token_id": uint32(0), "unknown_token_id": nil,
	})
	if bos, ok := tok.BOS(); bos != 1 || !ok || !tok.AddBOS() {
		t.Errorf("BOS %d %v, added: %v", bos, ok, tok.AddBOS())
	}
	for _, c := range []struct {
		text string
		want []int32
	}{
		{"abcd", []int32{7}},
		{" abcd", []int32{12, 6, 8, 9}}, // ▁a comes first, cd is no token: two bytes
		{"ab", nil},                     // ab is no token, and a and b have no byte tokens
		{"a\n\n\nb", []int32{5, 3, 6}},
		{"\n", []int32{2}},
		{"\n\n", nil}, // merged as ever, into what is no token
		{"</s>", nil},
	} {
		check(t, tok, c.text, true, c.want)
	}
	if tok.IsEOG(11) || tok.IsControl(11) {
		t.Error("</s> ends generation")
	}
	if got := string(tok.Append(nil, 12, false)); got != " a" {
		t.Errorf("▁a stands for %q", got)
	}
}

// TestPartition holds how special tokens are cut out of a text.
func TestPartition(t *testing.T) {
	edits := map[string]any{"tokens": tokens(map[int]string{900: "<|a|>", 901: "<|a|><|a|>", 902: "own", 903: "ownership"}),
		"token_type": types(map[int]int32{900: 3, 901: 3, 902: 4, 903: 4, 0: 2})}
	tok := with(t, "bpe.gguf", edits)
	edits["general.name"] = "Some Phi-3 Model"
	phi := with(t, "bpe.gguf", edits)
	for _, c := range []struct {
		tok     *Tokenizer
		text    string
		special bool
		want    string
	}{
		{tok, "x<|a|>y", false, "x<|a|>y"},
		{tok, "x<|a|>y", true, "x{900}y"},
		{tok, "<|a|><|a|><|a|>", true, "{901}{900}"},
		{tok, "my ownershipown ", false, "my {903}{902} "},
		{tok, "<unk>", false, "<unk>"},
		{tok, "<unk>", true, "{0}"},
		{tok, "<|a|> \n x", true, "{900} \n x"},
		{phi, "<|a|> \n x", true, "{900}x"},
		{phi, "<|a|> ", true, "{900}"},
		{phi, "own x", false, "{902}x"},
	} {
		var got strings.Builder
		for _, p := range c.tok.partition(c.text, c.special) {
			if p.id < 0 {
				got.WriteString(p.text)
				continue
			}
			got.WriteString("{" + c.tok.texts[p.id] + "}")
		}
		want := strings.NewReplacer("{900}", "{<|a|>}", "{901}", "{<|a|><|a|>}", "{902}", "{own}", "{903}", "{ownership}", "{0}", "{<unk>}").Replace(c.want)
		if got.String() != want {
			t.Errorf("%q, special %v: %s, want %s", c.text, c.special, got.String(), want)
		}
	}
}

func TestConcurrent(t *testing.T) {
	for _, file := range []string{"bpe.gguf", "spm.gguf", "gemma4.gguf"} {
		tok, texts := with(t, file, nil), goldenTexts(t)
		want := map[string]string{}
		for _, s := range texts {
			want[s] = names(tok, tok.Encode(nil, s, true))
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for _, s := range texts {
					if got := names(tok, tok.Encode(nil, s, true)); got != want[s] {
						t.Errorf("%q: %s, want %s", s, got, want[s])
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestOneToken holds that the smallest of vocabularies does no harm.
func TestOneToken(t *testing.T) {
	for _, model := range []string{"gpt2", "llama", "gemma4"} {
		var f ggufwrite.File
		f.Set(prefix+"model", model)
		f.Set(prefix+"tokens", []string{"a"})
		f.Set(prefix+"merges", []string{"a a"})
		f.Set(prefix+"add_bos_token", false)
		f.Set(prefix+"bos_token_id", uint32(0))
		g, err := loader.FromBytes("one.gguf", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		tok, err := New(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range goldenTexts(t) {
			for _, id := range tok.Encode(nil, text, true) {
				if id != 0 {
					t.Errorf("%s: %q gives id %d of 1", model, text, id)
				}
			}
		}
	}
}

// TestEncodeMarked: a control token that touches a plain range is text, any other one a
// token; the text is read as one.
func TestEncodeMarked(t *testing.T) {
	tok := with(t, "bpe.gguf", nil)
	var control string
	for id := range int32(tok.Size()) {
		if tok.IsControl(id) && len(tok.Text(id)) > 2 {
			control = tok.Text(id)
			break
		}
	}
	if control == "" {
		t.Fatal("no control token")
	}
	n := len(control)
	text := "a" + control + "b" + control
	for _, c := range []struct {
		plain []Range
		want  int // control tokens
	}{
		{nil, 2}, {[]Range{{0, 1}}, 2}, {[]Range{{0, 2}}, 1}, {[]Range{{n, n + 1}}, 1}, {[]Range{{n + 1, n + 2}}, 2},
		{[]Range{{1, 2}, {n + 3, n + 4}}, 0}, {[]Range{{0, len(text)}}, 0},
	} {
		got := 0
		for _, id := range tok.EncodeMarked(nil, text, c.plain) {
			if tok.IsControl(id) {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%v: %d control tokens, not %d", c.plain, got, c.want)
		}
	}
	for _, s := range goldenTexts(t) {
		if got := tok.EncodeMarked(nil, s, []Range{{0, len(s) / 2}}); !slices.Equal(got, tok.Encode(nil, s, false)) && slices.Equal(tok.Encode(nil, s, true), tok.Encode(nil, s, false)) {
			t.Errorf("%q is cut at the end of a range", s)
		}
	}
}
