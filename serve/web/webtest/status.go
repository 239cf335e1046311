package webtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

const big, small = "Magistral-Small-2509-Q4_K_M", "sotu-8m-q4_k_m"

var models = map[string]any{"object": "list", "data": []any{
	map[string]any{"id": big, "object": "model", "meta": map[string]any{"description": "llama 24B Q4_K - Medium", "device": "Radeon RX 7900 XTX", "bits": "equal bits"}},
	map[string]any{"id": small, "object": "model", "meta": map[string]any{"description": "llama 8M Q4_K - Medium"}}}}

var props = map[string]any{
	"build_info": "eclat 0.9", "total_slots": 4,
	"default_generation_settings": map[string]any{"n_ctx": 4096, "params": map[string]any{
		"temperature": 0.7, "top_p": 0.95, "top_k": 40, "min_p": 0.05, "repeat_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "dry_multiplier": 0.0, "n_predict": -1, "seed": 4294967295}}}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	state := "unloaded"
	if s.loaded {
		state = "ready"
	}
	s.mu.Unlock()
	layers := []any{map[string]any{"name": "embedding", "device": "cpu", "bytes": 377487360}}
	for i := range 40 {
		device := "vulkan:0"
		if i >= 34 {
			device = "cpu"
		}
		layers = append(layers, map[string]any{"name": fmt.Sprintf("layer %d", i), "device": device, "bytes": 327155712 + i%3*1048576})
	}
	layers = append(layers, map[string]any{"name": "head", "device": "vulkan:0", "bytes": 550502400})
	memory := func(what, device string, planned, real int64) map[string]any {
		return map[string]any{"what": what, "device": device, "planned": planned, "real": real}
	}
	write(w, map[string]any{
		"version": "eclat 0.9", "devices": []any{
			map[string]any{"id": "vulkan:0", "name": "Radeon RX 7900 XTX", "driver": "RADV, Mesa 25.2", "kind": "gpu", "state": "ok", "bits": "equal", "kernels": 214, "memory": map[string]any{"total": int64(24) << 30, "used": int64(14) << 30}},
			map[string]any{"id": "cpu", "name": "Ryzen 9 7950X", "driver": "AVX-512", "kind": "cpu", "state": "ok", "bits": "equal", "kernels": 86, "memory": map[string]any{"total": int64(64) << 30, "used": int64(9) << 30}},
			map[string]any{"id": "ref", "name": "Reference", "driver": "plain loops", "kind": "ref", "state": "ok", "bits": "equal"},
			map[string]any{"id": "vulkan:1", "name": "Intel UHD 770", "driver": "ANV, Mesa 25.2", "kind": "gpu", "state": "ok", "bits": "limits", "difference": "Subnormal sums are flushed: at most 1 unit in the last place of 3 kernels."},
			map[string]any{"id": "peer:QfT7mVxK", "name": "Radeon RX 6800", "driver": "RADV, Mesa 25.2", "kind": "peer", "state": "ok", "bits": "unchecked", "memory": map[string]any{"used": int64(2) << 30}}},
		"peers": []any{map[string]any{"id": "peer:QfT7mVxK", "name": "Radeon RX 6800", "state": "ok", "models": []any{big}, "layers": 6, "token_ms": 14.2, "checks": "the same definition of numbers, plan and weights as this machine's"}},
		"models": []any{
			map[string]any{"id": big, "file": big + ".gguf", "state": "ready", "architecture": "llama", "parameters": "23.6B", "quantisation": "Q4_K - Medium", "bytes": int64(14330000000), "context": 4096,
				"identity": "sha256:5b1c0d7f3e6a9b24c8d15f0e7a3b6c9d2e4f8a1b5c7d9e0f3a6b8c1d4e7f9a2b", "layers": layers,
				"memory":    []any{memory("weights", "vulkan:0", 11740000000, 11741000000), memory("weights", "cpu", 2350000000, 2350000000), memory("key–value pages", "vulkan:0", 570000000, 212000000), memory("key–value pages", "cpu", 100000000, 37000000), memory("activations", "vulkan:0", 189000000, 189000000)},
				"fragments": map[string]any{"total": 42, "verified": 39, "damaged": []any{}, "manifest": "sha256:9c2e41b07d"}},
			map[string]any{"id": small, "file": small + ".gguf", "state": state, "architecture": "llama", "parameters": "8M", "quantisation": "Q4_K - Medium", "bytes": 6600000, "context": 1024}}})
}

// events writes server-sent events.
func events(w http.ResponseWriter, list ...any) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, v := range list {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // of what is made here
		}
		fmt.Fprintf(w, "data: %s\n\n", b)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

func bench(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Device                  string
		Prompt, Generate, Depth []int
		Repeat                  int
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, "invalid_request_error", err.Error(), nil)
		return
	}
	list := []any{map[string]any{"progress": map[string]any{"done": 1, "of": 2, "text": "warming up"}}}
	for _, d := range req.Depth {
		slower := 1 + float64(d)/9000
		for _, n := range req.Prompt {
			list = append(list, map[string]any{"row": map[string]any{"test": fmt.Sprintf("pp%d", n), "device": "Radeon RX 7900 XTX", "n_prompt": n, "n_gen": 0, "n_depth": d, "avg_ts": 1480 / slower, "stddev_ts": 12.5, "ttft_ns": int64(346e6 * slower), "of_limit": 0.52}})
		}
		for _, n := range req.Generate {
			list = append(list, map[string]any{"row": map[string]any{"test": fmt.Sprintf("tg%d", n), "device": "Radeon RX 7900 XTX", "n_prompt": 0, "n_gen": n, "n_depth": d, "avg_ts": 48.3 / slower, "stddev_ts": 0.21, "of_limit": 0.81}})
		}
	}
	events(w, list...)
}

func compare(w http.ResponseWriter, r *http.Request) {
	var req struct{ Device, Against string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, "invalid_request_error", err.Error(), nil)
		return
	}
	result := map[string]any{"positions": 64, "numbers": 18874368, "first_unequal": nil, "sha256": "8f2c6d01a4be97350c1d", "failures": []any{}, "logits": map[string]any{"kl_mean": 0, "same_top": 1}}
	if req.Device == "vulkan:1" {
		kl, layers := []float64{}, []any{}
		for i := range 64 {
			kl = append(kl, 1e-6*float64(1+i%7))
		}
		for i := range 40 {
			layers = append(layers, map[string]any{"layer": i, "nmse": 1e-9 * float64(1+i)})
		}
		result = map[string]any{"positions": 64, "numbers": 18874368, "first_unequal": map[string]any{"tensor": "blk.0.attn_out", "layer": 0, "position": 3, "element": 117}, "sha256": "", "failures": []any{},
			"kl": kl, "layers": layers, "logits": map[string]any{"kl_mean": 3.9e-6, "same_top": 1, "mean_logprob_diff": 0.00012, "max_logit_diff": 0.004}}
	}
	events(w, map[string]any{"progress": map[string]any{"done": 32, "of": 64, "text": "computing"}}, map[string]any{"result": result})
}
