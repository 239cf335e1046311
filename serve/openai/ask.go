package openai

import (
	"eclat/engine/turn"
	"eclat/model/chat"
	"eclat/model/chat/stop"
	"eclat/serve/core"
	"eclat/serve/field"
)

// Bounds of requests.
const (
	maxChoices = 16
	maxStops   = 16
	maxStop    = 1024 // bytes of a stop string
	maxTokens  = 1 << 30
	maxTop     = 20 // most likely tokens told of each
)

// ask is what a request of a model asks for, whatever it goes on with.
type ask struct {
	turn.Request
	n        int // choices of each prompt
	stream   bool
	usage    bool // a last chunk with it
	progress bool // of the prompt, in chunks
	tokens   bool // ids are told
	one      bool // at most one call
}

// readAsk reads what all requests have.
func readAsk(o *field.Object, m *core.Model) (a ask) {
	a.Settings = readSampling(o, m)
	a.n = o.Int("n", 1, 1, maxChoices)
	a.stream = o.Bool("stream", false)
	if s := o.Object("stream_options"); s != nil {
		a.usage = s.Bool("include_usage", false)
		s.Without("include_obfuscation")
		s.End()
		if !a.stream {
			o.Failf("stream_options", "is only for stream: true")
		}
	}
	a.Stops = o.Texts("stop", maxStops, maxStop)
	if _, err := stop.New(a.Stops...); err != nil {
		o.Failf("stop", "cannot be looked for: %v", err)
	}
	a.MaxTokens = o.Int("max_tokens", -1, -1, maxTokens)
	for _, other := range []string{"max_completion_tokens", "n_predict"} { // the same by other names
		n := o.Int(other, a.MaxTokens, -1, maxTokens)
		if o.Has("max_tokens") && n != a.MaxTokens {
			o.Failf(other, "is %d, and max_tokens is %d", n, a.MaxTokens)
		}
		a.MaxTokens = n
	}
	a.IgnoreEOS = o.Bool("ignore_eos", false)
	a.Proof = o.Bool("proof", false)
	if p := o.Object("prediction"); p != nil {
		a.Guess = readPrediction(p, m)
	}
	a.tokens = o.Bool("return_tokens", false)
	a.progress = o.Bool("return_progress", false)
	// None of these changes an answer: the same tokens come whatever is found in the cache,
	// and in whatever place they are computed.
	o.Without("model", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
		"cache_prompt", "id_slot", "slot_id", "timings_per_token", "n_cache_reuse")
	o.Only("t_max_predict_ms", "0", "answers end by tokens, not by time")
	o.Only("n_keep", "0", "a context is never cut")
	return a
}

// readPrediction reads what the answer is thought to be, as the text of a file of which
// little is to change. The answer is the same with any.
func readPrediction(o *field.Object, m *core.Model) []int32 {
	if kind := o.Text("type", 64); kind != "content" {
		o.Failf("type", "is %.40q, not \"content\"", kind)
	}
	var c chat.Message
	readContent(o, &c)
	o.End()
	text := ""
	if c.Text != nil {
		text = *c.Text
	}
	for _, part := range c.Parts {
		text += part.Text
	}
	return m.Engine.Tokenizer.Encode(nil, text, false)
}
