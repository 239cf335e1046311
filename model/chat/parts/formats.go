package parts

import "strings"

// Format is how a model marks the parts of its answers.
type Format struct {
	Name string // for people

	rules  []rule
	start  mode
	header grammar // what a header says, where there are headers
	bare   bool    // an answer that is one JSON object is a call
	trim   bool    // line breaks beside the markers of reasoning, and white space after them, are the format's own
	close  string  // what ends reasoning and begins the answer
	direct string  // what begins an answer without reasoning, where something must
	call   Syntax
}

// Syntax is how a model writes a call: the texts before its name, between that and the
// arguments, and after them, markers spelt out.
type Syntax struct{ Before, Between, After string }

// Close is what ends reasoning and begins the answer, its markers spelt out; "" where a
// format marks no reasoning.
func (f *Format) Close() string { return f.close }

// Direct is what begins an answer that has no reasoning, where something must.
func (f *Format) Direct() string { return f.direct }

// Call is how a call is written; the zero value where a format has none.
func (f *Format) Call() Syntax { return f.call }

// Markers are the markers that take an answer to a kind: Reasoning or Call.
func (f *Format) Markers(k Kind) (markers []string) {
	for _, r := range f.rules {
		if r.in == inAnswer && (k == Reasoning && r.to == inReasoning || k == Call && r.calls && (r.to == inHeader || r.to == inObject)) {
			markers = append(markers, r.marker)
		}
	}
	return markers
}

// mode is what the text that comes is.
type mode uint8

const (
	inAnswer mode = iota
	inReasoning
	inHeader    // text that says what comes after it: a channel, the name of a call
	inArguments // the JSON object of a call whose name is known
	inObject    // a JSON object with the name and the arguments of a call
	byHeader    // only in rules: what the header says
)

// rule says what a marker means where the text is of some mode.
type rule struct {
	in     mode
	marker string
	to     mode
	calls  bool   // belongs to calls: left out where no tools are offered
	after  bool   // means something only right after a call
	head   string // what the header that begins is taken to begin with
}

// markup is a way to mark one thing; a Format is made of one for reasoning and one for
// calls, or of one for both.
type markup struct {
	name   string
	signs  []string // what a template that asks for it holds, each of them; a vocabulary has the first rule's marker
	calls  bool     // it marks calls
	all    bool     // it marks everything: nothing else goes with it
	format Format
}

// markups in the order in which they are looked for.
var markups = []markup{
	{name: "harmony", signs: []string{"<|channel|>", "<|message|>"}, calls: true, all: true, format: Format{start: inHeader, header: harmony,
		close: "<|end|><|start|>assistant<|channel|>final<|message|>", direct: "<|channel|>final<|message|>",
		call: Syntax{"<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", "<|call|>"}, rules: []rule{
			{in: inHeader, marker: "<|channel|>", to: inHeader},
			{in: inHeader, marker: "<|constrain|>", to: inHeader},
			{in: inHeader, marker: "<|message|>", to: byHeader},
			{in: inAnswer, marker: "<|start|>", to: inHeader},
			{in: inReasoning, marker: "<|start|>", to: inHeader},
			{in: inArguments, marker: "<|start|>", to: inHeader},
			{in: inAnswer, marker: "<|channel|>", to: inHeader, head: "assistant<|channel|>"},
			{in: inReasoning, marker: "<|channel|>", to: inHeader, head: "assistant<|channel|>"},
			{in: inAnswer, marker: "<|end|>", to: inAnswer},
			{in: inReasoning, marker: "<|end|>", to: inAnswer},
			{in: inArguments, marker: "<|end|>", to: inAnswer},
			{in: inAnswer, marker: "<|return|>", to: inAnswer},
			{in: inAnswer, marker: "<|call|>", to: inAnswer, after: true},
			{in: inArguments, marker: "<|call|>", to: inAnswer},
		}}},
	{name: "[THINK]", signs: []string{"[THINK]"}, format: Format{close: "[/THINK]", rules: []rule{
		{in: inAnswer, marker: "[THINK]", to: inReasoning},
		{in: inReasoning, marker: "[/THINK]", to: inAnswer},
	}}},
	{name: "<think>", signs: []string{"<think>"}, format: Format{trim: true, close: "\n</think>\n\n", rules: []rule{
		{in: inAnswer, marker: "<think>", to: inReasoning},
		{in: inReasoning, marker: "</think>", to: inAnswer},
	}}},
	{name: "[TOOL_CALLS]", signs: []string{"[TOOL_CALLS]", "[ARGS]"}, calls: true, format: Format{header: called, call: Syntax{"[TOOL_CALLS]", "[ARGS]", ""}, rules: []rule{
		{in: inAnswer, marker: "[TOOL_CALLS]", to: inHeader, calls: true},
		{in: inReasoning, marker: "[TOOL_CALLS]", to: inHeader, calls: true},
		{in: inHeader, marker: "[CALL_ID]", to: inHeader, calls: true},
		{in: inHeader, marker: "[ARGS]", to: byHeader, calls: true},
		{in: inArguments, marker: "[TOOL_CALLS]", to: inHeader, calls: true},
	}}},
	{name: "DeepSeek", signs: []string{"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>"}, calls: true, format: Format{header: called,
		call: Syntax{"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"}, rules: []rule{
			{in: inAnswer, marker: "<｜tool▁calls▁begin｜>", to: inAnswer, calls: true},
			{in: inAnswer, marker: "<｜tool▁call▁begin｜>", to: inHeader, calls: true},
			{in: inHeader, marker: "<｜tool▁sep｜>", to: byHeader, calls: true},
			{in: inArguments, marker: "<｜tool▁call▁end｜>", to: inAnswer, calls: true},
			{in: inAnswer, marker: "<｜tool▁call▁end｜>", to: inAnswer, calls: true, after: true},
			{in: inAnswer, marker: "<｜tool▁calls▁end｜>", to: inAnswer, calls: true},
		}}},
	{name: "<tool_call>", signs: []string{"<tool_call>", "arguments"}, calls: true, format: Format{
		call: Syntax{"<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>"}, rules: []rule{
			{in: inAnswer, marker: "<tool_call>", to: inObject, calls: true},
			{in: inObject, marker: "</tool_call>", to: inAnswer, calls: true},
			{in: inAnswer, marker: "</tool_call>", to: inAnswer, calls: true, after: true},
		}}},
	{name: "Llama 3 JSON", signs: []string{"ipython", `"parameters"`}, calls: true, format: Format{bare: true, call: Syntax{"{\"name\": \"", "\", \"parameters\": ", "}"}, rules: []rule{
		{in: inAnswer, marker: "<|python_tag|>", to: inObject, calls: true},
	}}},
}

// FormatOf is the format that a chat template asks for; where there is no template, the
// one that the vocabulary has the markers of. A model that marks nothing answers in
// plain text, the format of which has no name.
func FormatOf(template string, v Vocabulary) *Format {
	asked := func(m *markup) bool {
		for _, sign := range m.signs {
			if !strings.Contains(template, sign) {
				return false
			}
		}
		return true
	}
	if template == "" {
		asked = func(m *markup) bool {
			_, ok := v.ID(m.format.rules[0].marker)
			return ok
		}
	}
	f := &Format{}
	var names []string
	reasoning, calls := false, false
	for i := range markups {
		m := &markups[i]
		taken := &reasoning
		if m.calls {
			taken = &calls
		}
		if *taken || !asked(m) {
			continue
		}
		names, *taken = append(names, m.name), true
		f.rules = append(f.rules, m.format.rules...)
		f.start = max(f.start, m.format.start)
		f.bare, f.trim = f.bare || m.format.bare, f.trim || m.format.trim
		if m.format.header != nil {
			f.header = m.format.header
		}
		f.close, f.direct = f.close+m.format.close, f.direct+m.format.direct // at most one has them
		if m.calls {
			f.call = m.format.call
		}
		if m.all {
			break
		}
	}
	f.Name = strings.Join(names, " and ")
	return f
}

// Opened reports whether a prompt ends with the marker that opens reasoning: some
// templates write it themselves, and the answer begins within.
func (f *Format) Opened(prompt string) bool {
	prompt = strings.TrimRight(prompt, " \r\n")
	for _, r := range f.rules {
		if r.in == inAnswer && r.to == inReasoning && strings.HasSuffix(prompt, r.marker) {
			return true
		}
	}
	return false
}
