package openai

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"

	sdk "github.com/openai/openai-go/v3"

	"eclat/model"
	"eclat/serve/core"
	"eclat/serve/servetest"
)

// TestEmbeddings: one text, several, and ids; numbers and base64 are the same; the first
// elements have length 1 too.
func TestEmbeddings(t *testing.T) {
	client, url, _ := serve(t, servetest.Options{Core: core.Options{Pooling: model.MeanPooling}})
	p := sdk.EmbeddingNewParams{Model: servetest.Name, Input: sdk.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"We the people", "of the"}}}
	got, err := client.Embeddings.New(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	required(t, *got)
	if len(got.Data) != 2 || got.Data[1].Index != 1 || got.Usage.PromptTokens < 2 || got.Usage.TotalTokens != got.Usage.PromptTokens {
		t.Fatalf("%.200s", got.RawJSON())
	}
	of := func(body string) (v []float64, text string) {
		t.Helper()
		status, answer := servetest.Post(t, url+"/v1/embeddings", body)
		var out struct {
			Data []struct{ Embedding json.RawMessage }
		}
		if err := json.Unmarshal([]byte(answer), &out); status != 200 || err != nil || len(out.Data) != 1 {
			t.Fatalf("%s: %d, %.200s", body, status, answer)
		}
		if json.Unmarshal(out.Data[0].Embedding, &text) != nil {
			json.Unmarshal(out.Data[0].Embedding, &v)
		}
		return v, text
	}
	one, _ := of(`{"input":"We the people"}`)
	_, text := of(`{"input":["We the people"],"encoding_format":"base64"}`)
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 4*len(one) {
		t.Fatalf("%d bytes of %d numbers, %v", len(b), len(one), err)
	}
	for i, x := range got.Data[0].Embedding {
		if y := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])); float32(x) != y || float32(one[i]) != y {
			t.Fatalf("element %d: %g, %g, %g", i, x, one[i], y)
		}
	}
	few, _ := of(`{"input":"We the people","dimensions":8}`)
	sum := 0.0
	for i, x := range few {
		sum += x * x
		if d := few[0] / one[0] * one[i]; math.Abs(d-x) > 1e-6 {
			t.Errorf("element %d is %g, want %g", i, x, d)
		}
	}
	if len(few) != 8 || math.Abs(sum-1) > 1e-6 {
		t.Errorf("%d elements, length² %g", len(few), sum)
	}
	status, ids := servetest.Post(t, url+"/tokenize", `{"content":"We the people","add_special":true}`)
	if status != 200 {
		t.Fatal(ids)
	}
	var tokens struct{ Tokens json.RawMessage }
	json.Unmarshal([]byte(ids), &tokens)
	for _, input := range []string{string(tokens.Tokens), "[" + string(tokens.Tokens) + "]"} {
		if v, _ := of(`{"input":` + input + `}`); v[0] != one[0] || v[7] != one[7] {
			t.Errorf("of ids %s it is another", input)
		}
	}
}

// TestEmbeddingsRefused: what cannot be done is refused with its path; 501 where a model
// does not say how it is pooled.
func TestEmbeddingsRefused(t *testing.T) {
	_, url, _ := serve(t, servetest.Options{Core: core.Options{Pooling: model.LastPooling}})
	for _, c := range []struct{ body, says string }{
		{`{}`, `"param":"input"`}, {`{"input":[]}`, `"param":"input"`}, {`{"input":[[]]}`, `"param":"input[0]"`},
		{`{"input":[1,"a"]}`, `"param":"input[1]"`}, {`{"input":["a",1]}`, `"param":"input[1]"`}, {`{"input":{}}`, `"param":"input"`},
		{`{"input":[-1]}`, `"param":"input[0]"`}, {`{"input":[99999999]}`, `"param":"input[0]"`}, {`{"input":[1.5]}`, `"param":"input[0]"`},
		{`{"input":"a","dimensions":0}`, `"param":"dimensions"`}, {`{"input":"a","dimensions":1e9}`, `"param":"dimensions"`},
		{`{"input":"a","encoding_format":"int8"}`, `"param":"encoding_format"`}, {`{"input":"a","truncate":true}`, `"param":"truncate"`},
		{`{"input":["` + strings.Repeat(`a","`, 2048) + `a"]}`, "more than 2048"},
		{`{"input":"` + strings.Repeat("people ", 5000) + `"}`, "exceed_context_size_error"},
	} {
		if status, answer := servetest.Post(t, url+"/v1/embeddings", c.body); status != 400 || !strings.Contains(answer, c.says) {
			t.Errorf("%.60s: %d, %.200s", c.body, status, answer)
		}
	}
	_, url, _ = serve(t, servetest.Options{})
	if status, answer := servetest.Post(t, url+"/v1/embeddings", `{"input":"a"}`); status != 501 || !strings.Contains(answer, "--pooling") {
		t.Errorf("without pooling: %d, %s", status, answer)
	}
}
