package main

import (
	"bytes"
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/loader/quant"
	"eclat/model"
	"eclat/model/conformance"
)

// TestAsked: replies of every kind, in the words of the table.
func TestAsked(t *testing.T) {
	var table []*asked
	wrong := 0
	for _, variant := range []string{"texel", "plain"} {
		for _, r := range []reply{
			{"matmul Q4_K, 1 rows", "aa", "aa", 0, nil},
			{"matmul Q4_K, 3 rows", "bb", "bb", 0, nil},
			{"rmsnorm 64", "cc", "c0", 3e-9, nil},
			{"rmsnorm 64, heads", "dd", "dd", 0, nil},
			{"swiglu", "ee", "e0", 0.25, nil},
			{"add", "", "ff", 0, errors.New("add: the device has none")},
			{"mul", "ab", "cd", math.Inf(1), nil},
			{"attention of 64 in F16, spans", "11", "11", 0, nil},
			{"attention of 128 in F32", "22", "22", 0, nil},
		} {
			if variant == "plain" && r.question == "matmul Q4_K, 3 rows" {
				r.answer, r.off = "b0", conformance.LimitQuant
			}
			if add(&table, variant, r) {
				wrong++
			}
		}
	}
	if wrong != 6 {
		t.Errorf("%d replies were wrong, not 6", wrong)
	}
	var b bytes.Buffer
	printAsked(&b, table)
	text := b.String()
	for _, line := range []string{
		`KERNELS +VARIANT +QUESTIONS +ANSWERS +HASH`,
		`matmul Q4_K +texel +2 +bit-equal +[0-9a-f]{16}`,
		`matmul Q4_K +plain +2 +1 within limits, error ` + sci(conformance.LimitQuant) + ` +[0-9a-f]{16}`,
		`rmsnorm 64 +texel +2 +1 within limits, error 3\.0e-09 +[0-9a-f]{16}`,
		`swiglu +texel +1 +1 WRONG +[0-9a-f]{16}`,
		`add +plain +1 +1 WRONG +[0-9a-f]{16}`,
		`mul +plain +1 +1 WRONG +[0-9a-f]{16}`,
		`attention +texel +2 +bit-equal +[0-9a-f]{16}`,
		`  texel: rmsnorm 64: within limits, error 3\.0e-09 \(cc, not c0\)`,
		`  plain: swiglu: WRONG, error 2\.5e-01 \(ee, not e0\)`,
		`  plain: add: the device has none`,
		`  texel: mul: WRONG, error \+Inf \(ab, not cd\)`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	// The hash is of the answers, in order: only where they differ do variants.
	hash := func(kernels, variant string) string {
		m := regexp.MustCompile(`(?m)^` + kernels + ` +` + variant + ` .* ([0-9a-f]{16})$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no hash of %s, %s", kernels, variant)
		}
		return m[1]
	}
	for _, a := range table {
		if same := hash(a.kernels, "texel") == hash(a.kernels, "plain"); same != (a.kernels != "matmul Q4_K") {
			t.Errorf("%s: the variants' hashes are equal: %t", a.kernels, same)
		}
	}
	if want := "486b34250bd4400c"; hash("matmul Q4_K", "texel") != want { // sha256sum of aabb
		t.Errorf("the hash of aabb is %s", hash("matmul Q4_K", "texel"))
	}
}

// TestQuick: of the cases that --quick takes some are about each op and each type of a
// weight, and of the questions about each type.
func TestQuick(t *testing.T) {
	allCases, allQuestions := conformance.Cases(), conformance.Questions()
	cases, questions := fewCases(conformance.Cases()), fewQuestions(allQuestions)
	t.Logf("%d of %d cases, %d of %d questions", len(cases), len(allCases), len(questions), len(allQuestions))
	if len(cases) > len(allCases)/6 || len(questions) > len(allQuestions)/6 {
		t.Error("these are not few")
	}
	for _, op := range model.Ops() {
		if !slices.ContainsFunc(cases, func(c *conformance.Case) bool { return c.Op == op.String() }) {
			t.Errorf("no case of %s", op)
		}
	}
	for _, ty := range quant.Decodable() {
		if !slices.ContainsFunc(cases, func(c *conformance.Case) bool { return c.Type == ty.String() }) {
			t.Errorf("no case with weights of %s", ty)
		}
		if !slices.ContainsFunc(questions, func(q *conformance.Question) bool {
			return slices.Contains(strings.Fields(strings.ReplaceAll(q.Name, ",", "")), ty.String())
		}) {
			t.Errorf("no question about weights of %s", ty)
		}
	}
}

// TestAskKernels: each device answers every question bit by bit, each variant once a
// line, and a device without variants is told by the name of its kernels.
func TestAskKernels(t *testing.T) {
	if testing.Short() {
		t.Skip("asks hundreds of questions")
	}
	devices := []string{"cpu"}
	if name := gpuName(t); name != "" {
		devices = append(devices, name)
	}
	for _, device := range devices {
		o := engine.Options{Device: device}
		open := func(o engine.Options) (model.Backend, error) {
			b, _, err := engine.OpenDevice(t.Context(), o)
			return b, err
		}
		b, err := open(o)
		if err != nil {
			t.Fatal(err)
		}
		info := b.Info()
		b.Close()
		var text bytes.Buffer
		ref := func() (model.Backend, error) { return open(engine.Options{Device: "ref"}) }
		if wrong, err := askKernels(t.Context(), &text, o, info, ref, true); wrong != 0 || err != nil {
			t.Errorf("%s: %d wrong, %v", device, wrong, err)
		}
		lines := strings.Split(text.String(), "\n")
		rows := lines[1:slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "A hash") })]
		variant := append(slices.Clone(info.Variants), info.Kernels)[0]
		for _, row := range rows {
			if !regexp.MustCompile(` ` + regexp.QuoteMeta(variant) + ` +[0-9]+ +bit-equal +[0-9a-f]{16}$`).MatchString(row) {
				t.Errorf("%s: %q", device, row)
			}
		}
		if len(rows) < 30 {
			t.Errorf("%s: %d rows", device, len(rows))
		}
	}
}
