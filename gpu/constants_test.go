//go:build cgo && !novulkan

package gpu

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
	"eclat/model"
	"eclat/model/conformance"
	"eclat/shaders"
)

// constant is a number in the source of a kernel, and the same with one bit flipped.
type constant struct {
	file     string // below shaders
	line     int    // from 1
	from, to int    // bytes of the line
	code     string // the line
	function string // that it is in
	flipped  string
}

func (c constant) String() string {
	return fmt.Sprintf("%s: %s for %s in %s", c.file, c.flipped, c.code[c.from:c.to], strings.TrimSpace(c.code))
}

var (
	number   = regexp.MustCompile(`\b(?:0[xX][0-9a-fA-F]+[uU]?|[0-9]+[uU]?\b(?:[^.eE]|$)|[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)`)
	digits   = regexp.MustCompile(`^[0-9a-zA-Z.]+(?:[eE]-[0-9]+)?`) // of what number finds, which may end with the sign after it
	function = regexp.MustCompile(`^(?:#define )?(?:\w+ )?(\w+)\(`)
	// What is no number that a kernel computes with: where things lie, how large they are,
	// what is compiled.
	aside = regexp.MustCompile(`//.*|^layout\(constant_id.*|layout\([^)]*\)|^\s*#\s*(?:if|ifdef|elif|include|extension|version).*|^\s*shared .*`)
)

// constants lists the numbers of all kernels.
func constants(t *testing.T) (list []constant) {
	t.Helper()
	dir := os.DirFS("../shaders")
	for _, folder := range []string{"lib", "op", "type"} {
		files, err := fs.Glob(dir, folder+"/*")
		if err != nil || len(files) == 0 {
			t.Fatalf("no kernels in %s: %v", folder, err)
		}
		for _, file := range files {
			text, err := fs.ReadFile(dir, file)
			if err != nil {
				t.Fatal(err)
			}
			in := ""
			for n, line := range strings.Split(string(text), "\n") {
				if m := function.FindStringSubmatch(line); m != nil {
					in = m[1]
				}
				code := aside.ReplaceAllStringFunc(line, func(s string) string { return strings.Repeat(" ", len(s)) })
				for _, at := range number.FindAllStringIndex(code, -1) {
					word := digits.FindString(code[at[0]:at[1]])
					if f := flip(word); f != "" {
						list = append(list, constant{file, n + 1, at[0], at[0] + len(word), line, in, f})
					}
				}
			}
		}
	}
	return list
}

// flip returns a constant with one bit flipped: the last of a number's; of an integer's the
// lowest that is not set, so that nothing is divided by 0 and a loop still ends. "" where s
// is neither.
func flip(s string) string {
	if strings.ContainsAny(s, ".") || strings.ContainsAny(s, "eE") && !strings.HasPrefix(s, "0x") {
		x, err := strconv.ParseFloat(s, 32)
		if err != nil {
			return ""
		}
		bits := math.Float32bits(float32(x)) ^ 1
		if x == 0 {
			bits = math.Float32bits(2)
		}
		f := strconv.FormatFloat(float64(math.Float32frombits(bits)), 'g', -1, 32)
		if !strings.ContainsAny(f, ".e") {
			f += ".0"
		}
		return f
	}
	digits := strings.TrimRight(s, "uU")
	n, err := strconv.ParseUint(digits, 0, 32)
	if err != nil {
		return ""
	}
	if all := n | (n + 1); all > math.MaxUint32 || all > math.MaxInt32 && digits == s {
		n ^= 1 // none is not set
	} else {
		n = all
	}
	if strings.HasPrefix(s, "0x") {
		return fmt.Sprintf("%#x%s", n, s[len(digits):])
	}
	return fmt.Sprint(n) + s[len(digits):]
}

// alike are constants of which a bit may be another without a bit of an answer being so, as
// String names them, and why.
var alike = map[string]string{
	"lib/grid.glsl: 0x1ffffu for 0xffffu in uint point(uint i) { return (grid[i >> 1] >> (16 * (i & 1))) & 0xffffu; }":       "spread4 and iq1 mask it again",
	"lib/grid.glsl: 3 for 1 in uint point(uint i) { return (grid[i >> 1] >> (16 * (i & 1))) & 0xffffu; }":                    "these devices shift by 32 less",
	"lib/kept.glsl: 1 for 0 in return uvec2(e, 0);":                                                                          "where scales lie, of types without",
	"lib/planes.glsl: 7 for 3 in uint byte_of(uvec4 v, uint i) { return (word_of(v, i / 4) >> (8 * (i & 3))) & 255u; }":      "these devices shift by 32 less",
	"lib/scales_k.glsl: 511u for 255u in s[1] = d * vec2(int((scale >> 8) & 255u), int((least >> 8) & 255u));":               "no bit is above these",
	"lib/signs.glsl: 3 for 1 in uint signs7(uint x) { return (x & 127u) | ((bitCount(x & 127u) & 1) << 7); }":                "spread1 takes four bits at a time, of eight",
	"lib/spread.glsl: 0x204083u for 0x00204081u in uint spread1(uint x) { return ((x & 15u) * 0x00204081u) & 0x01010101u; }": "it adds to bits 1 to 5, which are masked",
	"lib/weights.glsl: 1 for 0 in #define MINS 0":                                                                            "times minimums that are 0",
	"lib/weights.glsl: 1 for 0 in return term(quads_sum(q, 0, x, 0, 8), SUM(0), s, xs);":                                     "SUM is of types with minimums",
	"op/attention.comp: 1 for 0 in lo = vec4(0), hi = vec4(0);                                         \\":                   "times elements of q beyond its end, which are 0",
	"op/attention.comp: 9 for 8 in for (uint i = 0; i < 8; i++)                                        \\":                   "hi has no fifth element",
	"op/attention.comp: 3 for 1 in my_until[m] = pos + 1;":                                                                   "a workgroup has one token on software devices; TestAttentionShapes has more",
	"op/embed.comp: 5 for 4 in for (uint t = 0; t < 4; t++) if (e + t < p.k) y_floats[i * p.k + e + t] = y[t];":              "the next four are written after it",
	"op/heads.comp: 1 for 0 in if (s == 0) r[0] = p.heads * each;":                                                           "any slot can tell how many tiles there are",
	"op/matmul.comp: 3 for 1 in const uint W_PITCH = WQ + 1, X_PITCH = 9; // fours from row to row":                          "only more room between rows",
	"op/rmsnorm.comp: 9 for 8 in put_block(at + 32 * b, v, 8);":                                                              "v has eight; the next block is written over it",
	"type/iq2_xs.glsl: 3 for 2 in for (uint i = 0; i < 2; i++)":                                                              "q has no third element",
	"type/q3_k.glsl: 1 for 0 in s[0] = vec3(d * vec2(ivec2(two & 255u, two >> 8) - 32), 0);":                                 "the minimum, of a type without",
}

// Variables of TestConstants: the share of the constants that is flipped, "K/N", and, in the
// process that flips them, the number of the first one.
const (
	constantsShare = "ECLAT_TEST_CONSTANTS"
	constantsFrom  = "ECLAT_TEST_CONSTANTS_FROM"
)

// TestConstants: a kernel in whose source one bit of one constant is another is noticed: by
// the question that it answers before the first token, by package numerics, or else by the
// suite. It may end the process or have it wait for ever, which counts; so constants are
// flipped in another one.
func TestConstants(t *testing.T) {
	var k, n int
	if c, _ := fmt.Sscanf(os.Getenv(constantsShare), "%d/%d", &k, &n); c != 2 || k < 0 || k >= n {
		t.Skipf("%d constants take hours: %s=0/16 flips one in sixteen", len(constants(t)), constantsShare)
	}
	list := conformance.Deal(constants(t), func(c constant) string { return path.Dir(c.file) }, k, n)
	if from := os.Getenv(constantsFrom); from != "" {
		first, err := strconv.Atoi(from)
		if err != nil || first < 0 || first > len(list) {
			t.Fatalf("%s is %q", constantsFrom, from)
		}
		tell, f := os.NewFile(3, "the test"), newFlipping(t)
		for _, c := range list[first:] {
			fmt.Fprintln(tell, "try", c)
			by, what := f.flip(t, c)
			fmt.Fprintf(tell, "%s %s: %s\n", by, c, what)
		}
		return
	}
	compiler(t)
	testDevice(t)
	count, from := map[string]int{}, 0
	tell := func(by, what string) {
		if by == "nothing" {
			if why := alike[list[from].String()]; why != "" {
				by, what = "alike", what+": "+why
			} else {
				t.Errorf("not noticed: %s", what)
			}
		}
		t.Logf("%d of %d: %s: %s", from+1, len(list), by, what)
		count[by]++
		from++
	}
	for from < len(list) {
		if end := flipFrom(t, from, tell); end != "" {
			tell("the end", end)
		}
	}
	t.Logf("%d constants, noticed by %v", len(list), count)
}

// flipFrom flips constants from a number on in another process and tells what noticed each.
// end is the constant that ended the process, or that it did not come to an end of.
func flipFrom(t *testing.T, from int, tell func(by, what string)) (end string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var text bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConstants$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", constantsFrom, from))
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{w}, &text, &text
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	const patience = 10 * time.Minute // a constant's questions and cases are hundreds
	watch := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer watch.Stop()
	for lines := bufio.NewScanner(r); lines.Scan(); watch.Reset(patience) {
		if by, what, _ := strings.Cut(lines.Text(), " "); by == "try" {
			end = what
		} else {
			tell(by, what)
			end = ""
		}
	}
	if err := cmd.Wait(); err != nil && end == "" {
		t.Fatalf("%v\n%s", err, text.String()[max(0, text.Len()-2000):])
	}
	return end
}

// flipping is a device of whose kernels one is wrong.
type flipping struct {
	b      *Backend
	glslc  []string
	dir    string                        // a copy of shaders
	using  map[string][]*shaders.Variant // by file
	files  map[*shaders.Variant][]string // and the other way
	texts  map[string]string             // by file
	kernel string                        // that is wrong, and its code
	spirv  []byte
}

func newFlipping(t *testing.T) *flipping {
	t.Helper()
	f := &flipping{glslc: compiler(t), dir: t.TempDir(), using: map[string][]*shaders.Variant{}, files: map[*shaders.Variant][]string{}, texts: map[string]string{}}
	if err := os.CopyFS(f.dir, os.DirFS("../shaders")); err != nil {
		t.Fatal(err)
	}
	b, err := open(testDevice(t), options{unchecked: true, tune: tuneNever, spirv: func(kernel string, spirv []byte) []byte {
		if kernel == f.kernel {
			return f.spirv
		}
		return spirv
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	f.b = b
	table := shaders.Table()
	for i := range table {
		files, err := shaders.Files(os.DirFS(f.dir), &table[i])
		if err != nil {
			t.Fatal(err)
		}
		f.files[&table[i]] = files
		for _, file := range files {
			f.using[file] = append(f.using[file], &table[i])
			if f.texts[file] == "" {
				text, err := os.ReadFile(filepath.Join(f.dir, file))
				if err != nil {
					t.Fatal(err)
				}
				f.texts[file] = string(text)
			}
		}
	}
	return f
}

// flip flips a constant in the kernels that it is part of, up to four that it makes
// different, and says what notices: a question before the first token, package numerics, the
// suite, the compiler, nothing; or that it is nowhere, in no kernel that the device runs.
func (f *flipping) flip(t *testing.T, c constant) (by, what string) {
	t.Helper()
	file, text := filepath.Join(f.dir, c.file), f.texts[c.file]
	lines := strings.Split(text, "\n")
	lines[c.line-1] = c.code[:c.from] + c.flipped + c.code[c.to:]
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(file, []byte(text), 0o644)
	var tried []string
	var suites []func() string
	for _, v := range f.candidates(c) {
		spirv, err := compileIn(t, f.dir, f.glslc, v)
		if err != nil {
			return "compiler", v.Name
		}
		if _, right := shaders.Find(v.Name); bytes.Equal(spirv, right) {
			continue
		}
		asked, by := f.ask(v, spirv)
		if by != "" {
			return "question", v.Name + ", " + by
		}
		if asked {
			tried = append(tried, v.Name)
			suites = append(suites, func() string { return f.suite(t, v, spirv) })
		}
		if len(tried) == 4 {
			break
		}
	}
	for i, suite := range suites[:min(2, len(suites))] {
		if by := suite(); by != "" {
			return "suite", tried[i] + ", " + by
		}
	}
	if len(tried) == 0 {
		return "nowhere", ""
	}
	return "nothing", strings.Join(tried, " ")
}

// candidates are kernels that a constant may be part of and that the device runs: those in
// whose files the constant's function is used, one of each source and way to load first. The
// functions of numbers have a kernel of their own.
func (f *flipping) candidates(c constant) (list []*shaders.Variant) {
	seen, order := map[string]int{}, map[*shaders.Variant]int{}
	for _, v := range f.using[c.file] {
		load, has := loadOf(v)
		if has && !slices.Contains(f.b.kernels.Variants(), load) {
			continue
		}
		key := v.Source + load
		if seen[key]++; v.Name == "numerics" {
			order[v] = -1
		} else if order[v] = seen[key]; !slices.ContainsFunc(f.files[v], func(file string) bool {
			return file != c.file && strings.Contains(f.texts[file], c.function+"(")
		}) {
			order[v] += len(f.files)
		}
		list = append(list, v)
	}
	slices.SortStableFunc(list, func(a, b *shaders.Variant) int { return cmp.Compare(order[a], order[b]) })
	return list[:min(len(list), 60)]
}

// loadOf is how a kernel loads, where there are others that load otherwise.
func loadOf(v *shaders.Variant) (load string, has bool) {
	for _, load := range []string{lower.LoadTexel, lower.LoadPlain, lower.LoadDot, lower.LoadCoop} {
		if strings.HasSuffix(v.Name, load) {
			return load[1:], true
		}
	}
	return "buffer", strings.HasPrefix(v.Name, "attention") || strings.HasPrefix(v.Name, "mat")
}

// wrong has a kernel be another while it is used, with each of the device's kinds of products
// where it rounds rows for them.
func (f *flipping) wrong(v *shaders.Variant, spirv []byte, use func(k *lower.Kernels)) {
	f.kernel, f.spirv = v.Name, spirv
	f.drop(v.Name)
	defer func() {
		f.drop(v.Name)
		f.kernel = ""
	}()
	load, has := loadOf(v)
	kinds := []string{load}
	if slices.Contains(f.files[v], "lib/round.glsl") && (!has || strings.HasPrefix(v.Name, "attention")) {
		kinds = append(kinds, lower.LoadDot[1:])
	}
	for _, kind := range kinds {
		k := f.b.kernels.As(nil)
		k.Prefer(load)
		if k.Prefer(kind) {
			use(k)
		}
	}
}

// ask says which question a kernel whose code is another answers wrongly, and whether it is
// asked any.
func (f *flipping) ask(v *shaders.Variant, spirv []byte) (asked bool, by string) {
	if v.Name == "numerics" {
		return true, f.askTwins(spirv)
	}
	f.wrong(v, spirv, func(k *lower.Kernels) {
		for _, q := range questionsOf(v) {
			hash, used, err := f.b.answer(q, k.As(nil))
			if asked = asked || slices.Contains(used, v.Name); err != nil || hash != q.Right() {
				by = q.Name
				return
			}
		}
	})
	return asked, by
}

// suite says which case of the suite fails with a kernel whose code is another.
func (f *flipping) suite(t *testing.T, v *shaders.Variant, spirv []byte) (by string) {
	_, ty, names := opOf(v)
	var cases []*conformance.Case
	for _, c := range conformance.Cases() {
		if names.MatchString(c.Op) && (c.Type == "" || c.Type == ty) && !c.Long {
			cases = append(cases, c)
		}
	}
	f.wrong(v, spirv, func(k *lower.Kernels) {
		for i := 0; i < len(cases); i += 1 + len(cases)/60 {
			if r := cases[i].Check(func() (model.Backend, error) { return openReference(t) }, func() (model.Backend, error) { return f.b.guest(k.As(nil)), nil }); r.Fail != "" {
				by = cases[i].Op + "/" + cases[i].Name
				return
			}
		}
	})
	return by
}

// drop forgets the pipelines of a kernel.
func (f *flipping) drop(kernel string) {
	maps.DeleteFunc(f.b.pipes, func(key string, p *vk.Pipeline) bool {
		if !strings.HasPrefix(key, kernel+"[") {
			return false
		}
		p.Close()
		return true
	})
}

// asks are the names of questions that a kernel is asked, and the ops of the suite that it
// is part of, by the start of its name, the longest that there is. TYPE is what its name
// ends with.
var asks = map[string][2]string{
	"elementwise": {"act|swiglu|add|mul", "act|swiglu|add|mul"}, "bias": {"bias|mul", "add|mul"}, "round": {"matmul Q4_K", "matmul"},
	"gather": {"gather", "gather"}, "rope": {"attention 128÷2", "rope|attention"}, "store": {"attention 128÷2", "store|attention"},
	"store_blocks": {"attention 128÷2 in (.* and )?Q", "store|attention"}, "route": {"route", "route"},
	"experts": {"matmul_experts Q4_K", "matmul_experts"}, "combine": {"combine", "combine"}, "conv": {"conv", "conv"},
	"state": {"scan|deltarule", "scan|deltarule"}, "slice": {"slice", "slice"}, "join": {"join", "join"},
	"heads": {"matmul_heads", "matmul_heads"}, "sample": {"sample", "sample"}, "layernorm": {"layernorm", "layernorm"},
	"attention": {"attention (128÷2|80÷4|, latent)|attention, latent", "attention"}, "rmsnorm": {"rmsnorm|l2norm", "rmsnorm|l2norm"},
	"rmsnorm_round": {"rmsnorm .* to a product", "rmsnorm"}, "embed": {"(embed|vector) TYPE", "embed|mul|rmsnorm"},
	"matvec": {"matmul(_experts)? TYPE", "matmul|matmul_experts"}, "matmul": {"matmul(_experts)? TYPE, (9|65)", "matmul|matmul_experts"},
}

// opOf is what a kernel is asked, the type of weights that it is for, and the ops that it is
// part of.
func opOf(v *shaders.Variant) (questions *regexp.Regexp, ty string, ops *regexp.Regexp) {
	start := ""
	for s := range asks {
		if strings.HasPrefix(v.Name, s) && len(s) > len(start) {
			start = s
		}
	}
	for _, t := range shaders.Types {
		if slices.Contains(v.Defines, fmt.Sprintf("TYPE=%d", t)) {
			ty = t.String()
		}
	}
	a := asks[start]
	return regexp.MustCompile("^(" + strings.ReplaceAll(a[0], "TYPE", ty) + `)\b`), ty, regexp.MustCompile("^(" + a[1] + ")$")
}

// questionsOf are those that a kernel is asked.
func questionsOf(v *shaders.Variant) (list []*conformance.Question) {
	names, _, _ := opOf(v)
	for _, q := range conformance.Questions() {
		if names.MatchString(q.Name) {
			list = append(list, q)
		}
	}
	return list
}

// twinAnswers are each function's arguments and the right answers.
var twinAnswers = sync.OnceValues(func() (args [][][4]float32, answers [][]float32) {
	for i := range twins {
		list, right := twins[i].arguments(), []float32{}
		for _, v := range list {
			a := twins[i].of(v)
			right = append(right, a[:]...)
		}
		args, answers = append(args, list), append(answers, right)
	}
	return args, answers
})

// askTwins says which function of op/numerics.comp is another with this code.
func (f *flipping) askTwins(spirv []byte) string {
	args, right := twinAnswers()
	for i := range twins {
		if got, err := askTwin(f.b.dev, spirv, uint32(i), args[i]); err != nil || !slices.EqualFunc(got, right[i], sameBits) {
			return "numerics." + twins[i].name
		}
	}
	return ""
}
