package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestGolden compares with llama.cpp's ids. Each line of an .ids file belongs to
// a line of texts.txt: the ids, and after a bar those with special tokens
// parsed, where they differ.
func TestGolden(t *testing.T) {
	texts := goldenTexts(t)
	files, _ := filepath.Glob(filepath.Join(testdata, "*.ids"))
	if len(files) < 20 {
		t.Fatalf("%d golden files", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".ids")
		t.Run(name, func(t *testing.T) {
			var tok *Tokenizer
			if pre, ok := strings.CutPrefix(name, "bpe-"); ok {
				tok = with(t, "bpe.gguf", map[string]any{"pre": pre})
			} else if name == "gemma4" {
				tok = with(t, "gemma4.gguf", nil)
			} else {
				tok = with(t, "spm.gguf", map[string]any{"add_space_prefix": name == "spm"})
			}
			rows := lines(t, name+".ids")
			if len(rows) != len(texts) {
				t.Fatalf("%d rows for %d texts", len(rows), len(texts))
			}
			for i, row := range rows {
				plain, special, differs := strings.Cut(row, "|")
				if !differs {
					special = plain
				}
				check(t, tok, texts[i], false, parseIDs(t, plain))
				check(t, tok, texts[i], true, parseIDs(t, special))
			}
		})
	}
}

func parseIDs(t *testing.T, s string) []int32 {
	var ids []int32
	for _, f := range strings.Fields(s) {
		id, err := strconv.ParseInt(f, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, int32(id))
	}
	return ids
}

func check(t *testing.T, tok *Tokenizer, text string, special bool, want []int32) {
	t.Helper()
	if got := tok.Encode(nil, text, special); !slices.Equal(got, want) {
		t.Errorf("Encode(%.200q, special %v)\n got %s\nwant %s", text, special, names(tok, got), names(tok, want))
	}
}

func names(tok *Tokenizer, ids []int32) string {
	var s []string
	for _, id := range ids {
		s = append(s, strconv.Itoa(int(id))+":"+tok.Text(id))
	}
	return strings.Join(s, " ")
}

// TestFullVocabularies does the same with the vocabularies of Mistral and of
// Llama 2.
func TestFullVocabularies(t *testing.T) {
	for _, name := range []string{"tekken", "spm"} {
		t.Run(name, func(t *testing.T) {
			tok := open(t, "vocab/"+name+".gguf")
			data, err := os.ReadFile(filepath.Join(shared, "vocab", name+".tokens.json"))
			if err != nil {
				t.Skip(err)
			}
			var cases []struct {
				Text           string
				Plain, Special []int32
			}
			if err := json.Unmarshal(data, &cases); err != nil {
				t.Fatal(err)
			}
			bos, _ := tok.BOS()
			for _, c := range cases {
				for _, want := range []*[]int32{&c.Plain, &c.Special} {
					if len(*want) > 0 && (*want)[0] == bos && !strings.HasPrefix(c.Text, tok.Text(bos)) {
						*want = (*want)[1:]
					}
				}
				check(t, tok, c.Text, false, c.Plain)
				check(t, tok, c.Text, true, c.Special)
			}
			t.Logf("%d texts", len(cases))
		})
	}
}
