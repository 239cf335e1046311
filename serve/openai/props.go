package openai

import (
	"cmp"
	"strings"
	"time"

	"eclat/model/sample"
	"eclat/serve/core"
)

// props answers /props: a model, what it is asked with where nothing is said, and what its
// template can do. It does not load a model.
func props(x *core.Exchange) error {
	out := map[string]any{
		"build_info": cmp.Or(x.Machine.Version, "eclat"), "total_slots": 0, "model_path": "", "model_alias": "", "chat_template": "", "is_sleeping": true,
		"modalities":     map[string]bool{"vision": false, "audio": false},
		"endpoint_slots": true, "endpoint_props": false, "endpoint_metrics": true,
	}
	info, err := x.Models.Lookup(x.R.URL.Query().Get("model"))
	if err != nil {
		return err
	}
	out["model_alias"], out["model_path"] = info.Name, info.Path
	x.Models.Each(func(m *core.Model) {
		if m.Name != info.Name {
			return
		}
		out["is_sleeping"], out["total_slots"] = false, m.Engine.Parallel()
		out["fingerprint"], out["device"] = fingerprint(m), m.Engine.Device()
		out["default_generation_settings"] = map[string]any{"n_ctx": m.Engine.Context, "params": settingsOf(&m.Engine.Sampling)}
		t := m.Engine.Tokenizer
		if id, ok := t.BOS(); ok {
			out["bos_token"] = t.Text(id)
		}
		if id, ok := t.EOS(); ok {
			out["eos_token"] = t.Text(id)
		}
		if m.Template != nil {
			out["chat_template"], out["chat_template_name"] = m.Template.Source, m.Template.Name
			caps := map[string]bool{}
			for _, r := range m.Template.Caps.Rows() {
				caps["supports_"+strings.ReplaceAll(r.Name, " ", "_")] = r.Yes
			}
			out["chat_template_caps"] = caps
		}
		out["answer_format"] = m.Format.Name
	})
	return x.JSON(out)
}

// settingsOf is how tokens are chosen, by the names of requests' fields.
func settingsOf(s *sample.Settings) map[string]any {
	out := map[string]any{"seed": -1, "max_tokens": -1, "stop": []string{}, "dry_sequence_breakers": s.DryBreakers}
	for i := range sample.Fields {
		f := &sample.Fields[i]
		if f.Float != nil {
			out[f.JSON] = *f.Float(s)
		} else {
			out[f.JSON] = *f.Whole(s)
		}
	}
	return out
}

// slots answers /slots: the answers at work, and the places that are free.
func slots(x *core.Exchange) error {
	type slot struct {
		ID         int     `json:"id"`
		Model      string  `json:"model,omitempty"`
		Context    int     `json:"n_ctx"`
		Processing bool    `json:"is_processing"`
		Prompt     int     `json:"n_prompt_tokens,omitempty"`
		Processed  int     `json:"n_prompt_tokens_processed,omitempty"`
		Decoded    int     `json:"n_decoded,omitempty"`
		Seconds    float64 `json:"seconds,omitempty"`
	}
	list := []slot{}
	runs := x.Runs()
	x.Models.Each(func(m *core.Model) {
		at := 0
		for _, r := range runs {
			if r.Model == m.Name {
				list = append(list, slot{ID: len(list), Model: m.Name, Context: m.Engine.Context, Processing: true, Prompt: r.Prompt,
					Processed: r.Done(), Decoded: r.Generated(), Seconds: time.Since(r.Begun).Seconds()})
				at++
			}
		}
		for ; at < m.Engine.Parallel(); at++ {
			list = append(list, slot{ID: len(list), Model: m.Name, Context: m.Engine.Context})
		}
	})
	return x.JSON(list)
}
