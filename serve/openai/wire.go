package openai

import (
	"time"

	"eclat/engine"
	"eclat/engine/turn"
	"eclat/serve/core"
)

// head is what every answer and chunk begins with.
type head struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	Model       string `json:"model"`
	Fingerprint string `json:"system_fingerprint"` // of the weights
}

func newHead(prefix, object string, m *core.Model, now time.Time) head {
	return head{core.NewID(prefix), object, now.Unix(), m.Name, fingerprint(m)}
}

// fingerprint names the weights that an answer is of: equal ones give equal answers.
func fingerprint(m *core.Model) string { return "sha256:" + m.Identity }

type usage struct {
	Prompt        int `json:"prompt_tokens"`
	Completion    int `json:"completion_tokens"`
	Total         int `json:"total_tokens"`
	PromptDetails struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// usageOf adds up choices of one prompt, or of several: each result with prompt set is of
// another one.
func usageOf(results []result) (u usage) {
	for _, r := range results {
		if r.ofPrompt {
			u.Prompt += r.PromptTokens
			u.PromptDetails.Cached += r.CachedTokens
		}
		u.Completion += r.GeneratedTokens
		u.CompletionDetails.Reasoning += r.ReasoningTokens
	}
	u.Total = u.Prompt + u.Completion
	return u
}

// timings are as llama.cpp's server gives them, of the first choice.
type timings struct {
	CacheN             int     `json:"cache_n"`
	PromptN            int     `json:"prompt_n"` // computed
	PromptMS           float64 `json:"prompt_ms"`
	PromptPerToken     float64 `json:"prompt_per_token_ms"`
	PromptPerSecond    float64 `json:"prompt_per_second"`
	PredictedN         int     `json:"predicted_n"`
	PredictedMS        float64 `json:"predicted_ms"`
	PredictedPerToken  float64 `json:"predicted_per_token_ms"`
	PredictedPerSecond float64 `json:"predicted_per_second"`
	DraftN             int     `json:"draft_n,omitempty"`
	DraftAccepted      int     `json:"draft_n_accepted,omitempty"`
}

func timingsOf(st engine.Stats) timings {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	each := func(total float64, n int) float64 {
		if n <= 0 {
			return 0
		}
		return total / float64(n)
	}
	t := timings{
		CacheN: st.CachedTokens, PromptN: st.PromptTokens - st.CachedTokens, PromptMS: ms(st.PromptTime),
		PredictedN: st.GeneratedTokens, PredictedMS: ms(st.GenerateTime), DraftN: st.Drafted, DraftAccepted: st.Accepted,
	}
	t.PromptPerToken = each(t.PromptMS, t.PromptN)
	t.PredictedPerToken = each(t.PredictedMS, t.PredictedN-1) // from the first token on
	if t.PromptPerToken > 0 {
		t.PromptPerSecond = 1000 / t.PromptPerToken
	}
	if t.PredictedPerToken > 0 {
		t.PredictedPerSecond = 1000 / t.PredictedPerToken
	}
	return t
}

// proof is the sum of the logits that a choice's tokens were chosen from.
type proof struct {
	SHA256 string `json:"sha256"`
	Rows   int    `json:"rows"`
	Tokens int    `json:"tokens"`
}

func proofOf(p engine.Proof) *proof {
	if p.Rows == 0 {
		return nil
	}
	return &proof{p.Hex(), p.Rows, p.Tokens}
}

// result is what came of a choice.
type result struct {
	turn.Result
	ofPrompt bool // the first choice of its prompt
}

type function struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// toolCall is a call, whole or, with an index, a piece of one.
type toolCall struct {
	Index    *int     `json:"index,omitempty"`
	ID       string   `json:"id,omitempty"`
	Type     string   `json:"type,omitempty"`
	Function function `json:"function"`
}

type message struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"`
	Refusal   *string    `json:"refusal"`
	Reasoning string     `json:"reasoning_content,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type chatChoice struct {
	Index    int       `json:"index"`
	Message  message   `json:"message"`
	LogProbs *logprobs `json:"logprobs"`
	Finish   string    `json:"finish_reason"`
	Tokens   []int32   `json:"tokens,omitempty"`
	Proof    *proof    `json:"proof,omitempty"`
}

type chatAnswer struct {
	head
	Choices []chatChoice `json:"choices"`
	Usage   usage        `json:"usage"`
	Timings timings      `json:"timings"`
}

type delta struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	Reasoning *string    `json:"reasoning_content,omitempty"`
	ToolCalls []toolCall `json:"tool_calls,omitempty"`
}

type chunkChoice struct {
	Index    int       `json:"index"`
	Delta    delta     `json:"delta"`
	LogProbs *logprobs `json:"logprobs"`
	Finish   *string   `json:"finish_reason"`
	Tokens   []int32   `json:"tokens,omitempty"`
	Proof    *proof    `json:"proof,omitempty"`
}

type chunk struct {
	head
	Choices  []chunkChoice `json:"choices"`
	Usage    *usage        `json:"usage,omitempty"`
	Timings  *timings      `json:"timings,omitempty"`
	Progress *progress     `json:"prompt_progress,omitempty"`
}

// progress is how far a prompt is, where it was asked for.
type progress struct {
	Total     int `json:"total"`
	Cache     int `json:"cache"`
	Processed int `json:"processed"`
	TimeMS    int `json:"time_ms"`
}

// logprobs are of the tokens of an answer's text.
type logprobs struct {
	Content []tokenProb `json:"content"`
	Refusal []tokenProb `json:"refusal"`
}

type topProb struct {
	Token   string  `json:"token"`
	LogProb float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

type tokenProb struct {
	topProb
	ID  int32     `json:"id"`
	Top []topProb `json:"top_logprobs"`
}

func probOf(m *core.Model, id int32, logprob float64) topProb {
	b := m.Engine.Tokenizer.Append(nil, id, true)
	p := topProb{Token: string([]rune(string(b))), LogProb: max(logprob, -9999), Bytes: make([]int, len(b))} // JSON has no −∞
	for i, c := range b {
		p.Bytes[i] = int(c)
	}
	return p
}

func tokenProbOf(m *core.Model, ev turn.Event) tokenProb {
	p := tokenProb{topProb: probOf(m, ev.ID, ev.LogProb), ID: ev.ID, Top: []topProb{}}
	for _, t := range ev.Top {
		p.Top = append(p.Top, probOf(m, t.ID, t.LogProb))
	}
	return p
}
