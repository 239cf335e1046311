package openai

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"eclat/serve/core"
	"eclat/serve/field"
)

const maxTexts = 2048 // of one request of embeddings, as the API has it

type vector struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // numbers, or base64 of float32, little endian
}

type vectors struct {
	Object string   `json:"object"`
	Data   []vector `json:"data"`
	Model  string   `json:"model"`
	Usage  struct {
		Prompt int `json:"prompt_tokens"`
		Total  int `json:"total_tokens"`
	} `json:"usage"`
}

// embeddings answers /v1/embeddings.
func embeddings(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	m, err := x.Open(modelName(o))
	if err != nil {
		return err
	}
	texts := readTexts(o, m)
	encoded := o.Choice("encoding_format", "float", "base64") == "base64"
	width := m.Engine.Model.Config.NEmbd
	dims := o.Int("dimensions", width, 1, width)
	o.Without("user")
	if err := o.End(); err != nil {
		return err
	}
	list, tokens, err := x.Embed(m, texts)
	if err != nil {
		return err
	}
	out := vectors{Object: "list", Model: m.Name, Data: []vector{}}
	out.Usage.Prompt, out.Usage.Total = tokens, tokens
	for i, v := range list {
		e := vector{Object: "embedding", Index: i, Embedding: shorter(v, dims)}
		if encoded {
			e.Embedding = encode(shorter(v, dims))
		}
		out.Data = append(out.Data, e)
	}
	return x.JSON(out)
}

// readTexts reads the input: a text, ids, or an array of either.
func readTexts(o *field.Object, m *core.Model) (texts [][]int32) {
	v := o.Value("input")
	add := func(v field.Value) {
		if v.Is('[') {
			texts = append(texts, readIDs(o, v, m))
		} else {
			s, err := v.Text(maxText)
			o.Fail(err)
			texts = append(texts, m.Engine.TextTokens(s))
		}
		if o.Err() == nil && len(texts[len(texts)-1]) == 0 {
			o.Fail(v.Errorf("is empty"))
		}
	}
	switch {
	case v.Null():
		o.Failf("input", "is missing")
	case !v.Is('['):
		add(v)
	default:
		list, err := v.List(maxIDs)
		o.Fail(err)
		switch {
		case err != nil:
		case len(list) == 0:
			o.Failf("input", "is empty")
		case !list[0].Is('"') && !list[0].Is('['):
			add(v) // of ids
		case len(list) > maxTexts:
			o.Failf("input", "has more than %d texts", maxTexts)
		default:
			for _, e := range list {
				if add(e); o.Err() != nil {
					break
				}
			}
		}
	}
	return texts
}

// shorter is the first n elements of a vector, of length 1 again.
func shorter(v []float32, n int) []float32 {
	if n == len(v) {
		return v
	}
	squares := 0.0
	for _, x := range v[:n] {
		squares += float64(float64(x) * float64(x))
	}
	out := make([]float32, n)
	if length := math.Sqrt(squares); length > 0 {
		for i, x := range v[:n] {
			out[i] = float32(float64(x) / length)
		}
	}
	return out
}

// encode is a vector in base64.
func encode(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}
