package tokenizer

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/dlclark/regexp2/v2"
)

func words(s string, splitters []splitter) []string {
	if len(splitters) == 0 {
		return []string{s}
	}
	var out []string
	for s != "" {
		n := splitters[0](s)
		out = append(out, words(s[:n], splitters[1:])...)
		s = s[n:]
	}
	return out
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ pre, text, want string }{
		{"gpt-2", "It's 2025, isn't it?", "It|'s| 2025|,| isn|'t| it|?"},
		{"gpt-2", "IT'S a  b\n\n c ", "IT|'|S| a| | b|\n\n| c| "},
		{"llama-bpe", "IT'S $x 12345 a  b", "IT|'S| $|x| |123|45| a| | b"},
		{"llama-bpe", "(hi)!\n\n  x \n y", "(hi|)!\n\n| | x| \n| y"},
		{"qwen2", "v12 12", "v|1|2| |1|2"},
		{"qwen2", "e\u0301e \u0301", "e|\u0301e| \u0301"},
		{"qwen35", "e\u0301e \u0301", "e\u0301e| \u0301"},
		{"tekken", "HelloWorld XMLHttp iPhone", "Hello|World| XMLHttp| i|Phone"},
		{"tekken", "it's 12 a/b //\n/x", "it|'s| |1|2| a|/b| //\n/|x"},
		{"tekken", "ÀBC éABC Éa", "À|BC| é|ABC| Éa"}, // a letter beyond ASCII is of both cases
		{"gpt-4o", "it's IT'Sx we'Ve 1234", "it's| IT'S|x| we'Ve| |123|4"},
		{"deepseek-v3", "日本語 x12345~!\u200b\u200by", "日本語| x|123|45|~!|\u200b|\u200by"},
		{"deepseek-v3", "$a -b.c\n\u200b\u200b\n", "$a| -|b|.c|\n|\u200b\u200b|\n"},
		{"seed-coder", "v12 x!\n\n  y", "v|1|2| x|!|\n\n| | y"},
		{"laguna", "a \n\n b!\n", "a| |\n\n| b|!|\n"},
		{"minicpm5", "12345 it's", "123|45| it|'s"},
		{"kimi-k2", "it's IT'Sx 漢字a'd !漢 1234", "it's| IT'S|x| |漢字|a'd| !|漢| |123|4"},
		{"deepseek-llm", "naïve it's\n  日本 1234 ", "na|ï|ve| it|'|s|\n|  |日本| |1234| "},
		{"deepseek-coder", "naïve it's (12)\r\n", "naïve| it|'|s| (|1|2|)|\r|\n"},
		{"starcoder", "x 12's", "x| |1|2|'s"},
		{"default", "x 12345 (a)", "x| |123|45| |(|a|)"},
		{"default", "it's", "it|'|s"},
	} {
		if got := strings.Join(words(c.text, preTokenizers[c.pre].splitters), "|"); got != c.want {
			t.Errorf("%s: %q\n got %q\nwant %q", c.pre, c.text, got, c.want)
		}
	}
}

// classHash is of the classes that llama.cpp's tables give to all code points.
const classHash = 0xd4bca3cd642fa9c1

const contractions = `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`

// references are the expressions of the pre-tokenisers, for several passes
// several.
var references = map[string][]string{
	"gpt-2": {`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`},
	"starcoder": {`\p{N}`,
		`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`},
	"default": {`[\p{P}\$\+<=>\^~\|]+`,
		`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, `\p{N}+`, `[0-9][0-9][0-9]`},
	"llama-bpe": {contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"qwen2":     {contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"qwen35":    {contractions + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"tekken": {`[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*` +
		`|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"gpt-4o": {`[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+` + contractions +
		`?|[^\r\n\p{L}\p{N}]?((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*` + contractions +
		`?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	"deepseek-v3": {`\p{N}{1,3}`, `[一-龥぀-ゟ゠-ヿ]+`,
		"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+" +
			`|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
}

// More of them. Where llama.cpp's \s takes what other sets name too, as U+3000, the
// sets say (?!\s) here.
func init() {
	const (
		east = `(?:(?!\s)[一-\u9fa5\u0800-一\uac00-\ud7ff])+`
		rest = `[^\r\n\p{L}\p{N}]?\p{L}+|`
		ends = `\s*[\r\n]+|\s+(?!\S)|\s+`
	)
	references["seed-coder"] = []string{contractions + `|` + rest + `\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|` + ends}
	references["bailingmoe"] = []string{contractions + `|` + rest + `\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`}
	references["laguna"] = []string{`[^\n]+|[\n]+`, references["qwen2"][0]}
	references["minicpm5"] = []string{`\p{N}{1,3}`, contractions + `|` + rest + `\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|` + ends}
	references["deepseek-llm"] = []string{"[\r\n]", `\s?[A-Za-z` + casedSet + `]+`,
		`\s?(?:(?!\s)[!-/:-~！-／：-～‘-‟　-。])+`, `\s+\z`, east, `\p{N}+`}
	references["deepseek-coder"] = []string{"[\r\n]", `\s?\p{L}+`, `\s?\p{P}+`, east, `\p{N}`}
	references["kimi-k2"] = []string{`[HAN]+|[^\r\n\p{L}\p{N}]?(?:(?![HAN])\p{L})+` + contractions + `?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|` + ends}
	references["kimi-k2"][0] = strings.ReplaceAll(references["kimi-k2"][0], "HAN",
		"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"+
			"\U0002b820-\U0002ceaf\U0002ceb0-\U0002ebef\U0002f800-\U0002fa1f")
}

// cut splits s by an expression: its matches, and what lies between them.
func cut(t *testing.T, re *regexp2.Regexp, s string) []string {
	matches, err := re.FindAllStringIndex(s, -1)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	at := 0
	for _, m := range matches {
		if m[0] > at {
			out = append(out, s[at:m[0]])
		}
		out = append(out, s[m[0]:m[1]])
		at = m[1]
	}
	if at < len(s) {
		out = append(out, s[at:])
	}
	return out
}

// TestSplitReference compares with the reference expressions, run by a regular
// expression engine, over random text.
func TestSplitReference(t *testing.T) {
	n := 4000
	if testing.Short() {
		n = 400
	}
	for pre, exprs := range references {
		t.Run(pre, func(t *testing.T) {
			var res []*regexp2.Regexp
			for _, e := range exprs {
				res = append(res, regexp2.MustCompile(e))
			}
			random := rand.New(rand.NewPCG(1, 2))
			for range n {
				text := randomText(random)
				want := []string{text}
				for _, re := range res {
					var next []string
					for _, w := range want {
						next = append(next, cut(t, re, w)...)
					}
					want = next
				}
				if got := words(text, preTokenizers[pre].splitters); !slices.Equal(got, want) {
					t.Fatalf("%q\n got %q\nwant %q", text, got, want)
				}
			}
		})
	}
}

var pieces = []string{
	"'s", "'S", "'re", "'VE", "'ll", "'x", "’s", " ", "  ", "\t", "\n", "\r\n", "\n\n", " \n", "\u00a0", "\u3000", "\u2028", "\u0085",
	"\x00", "\x1f", "~", "`", "$", "+", "^", "|", "_", "/", "//\n", "!\n", "...", "1", "12", "1234", "٣", "Ⅷ", "½",
	"the", "The", "THE", "aB", "À", "é", "ÀB", "éa", "ǅ", "日", "本語", "の", "々", "〇", "豈", "𠮷", "。", "！", "Ａ", "ʔ", "ƻ", "ー", "한", "ภา", "हि", "\u0301", "👍", "\u200d", "\u200b",
	"\ue000", "\u0378", "𝒳", "\U000e0101", "A", "b", "Zq",
}

// randomText returns valid UTF-8 of characters on which Go's Unicode tables and
// llama.cpp's agree.
func randomText(random *rand.Rand) string {
	var b strings.Builder
	for range 1 + random.IntN(16) {
		switch random.IntN(4) {
		case 0:
			r := random.Int32N([]int32{0x80, 0x800, 0x3100, 0x10000, unicode.MaxRune}[random.IntN(5)])
			if 0xD800 <= r && r <= 0xDFFF || slices.ContainsFunc(newer, func(n struct {
				lo, hi rune
				class  class
			}) bool {
				return n.lo <= r && r <= n.hi
			}) {
				r = 'x'
			}
			b.WriteRune(r)
		case 1:
			b.WriteString(strings.Repeat(pieces[random.IntN(len(pieces))], 1+random.IntN(5)))
		default:
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
	}
	return b.String()
}

// TestClasses holds the table of all characters to llama.cpp's, of which the
// constant is the hash: it fails when a newer Go brings a newer Unicode, whose
// additions then belong into the table as exceptions.
func TestClasses(t *testing.T) {
	h, table := fnv.New64a(), classes()
	for r := range rune(unicode.MaxRune + 1) {
		h.Write([]byte{byte(table.pages[r/pageSize][r%pageSize])})
	}
	if got := h.Sum64(); got != classHash {
		t.Errorf("the hash of the classes is %#x, want %#x", got, uint64(classHash))
	}
}
