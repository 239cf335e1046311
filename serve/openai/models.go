package openai

import (
	"eclat/serve/core"
)

type modelStatus struct {
	Value    core.State `json:"value"`
	Error    string     `json:"error,omitempty"`
	What     string     `json:"what,omitempty"` // that is being done of loading, and how far
	Progress *float64   `json:"progress,omitempty"`
}

type modelInfo struct {
	ID      string      `json:"id"`
	Object  string      `json:"object"`
	Created int64       `json:"created"`
	OwnedBy string      `json:"owned_by"`
	Status  modelStatus `json:"status"`
	Meta    *modelMeta  `json:"meta,omitempty"` // of one that is loaded
}

type modelMeta struct {
	Description string `json:"description"` // "llama 24B Q4_K - Medium"
	Device      string `json:"device"`
	Bits        string `json:"bits"` // whether they are the reference's, in words
	Fingerprint string `json:"fingerprint"`
	Vocab       int    `json:"n_vocab"`
	ContextFit  int    `json:"n_ctx"`
	Context     int    `json:"n_ctx_train"`
	Size        int64  `json:"size"`
}

func infoOf(i core.Info) modelInfo {
	out := modelInfo{ID: i.Name, Object: "model", Created: i.Created.Unix(), OwnedBy: "eclat", Status: modelStatus{Value: i.State}}
	if i.Created.IsZero() {
		out.Created = 0
	}
	if i.Error != nil {
		out.Status.Error = i.Error.Error()
	}
	if i.State == core.Loading && i.Total > 0 {
		p := float64(i.Done) / float64(i.Total)
		out.Status.What, out.Status.Progress = i.What, &p
	}
	return out
}

// models answers /v1/models: all, loaded or not.
func models(x *core.Exchange) error {
	list := []modelInfo{}
	for _, i := range x.Models.List() {
		list = append(list, infoOf(i))
	}
	x.Models.Each(func(m *core.Model) {
		for i := range list {
			if list[i].ID == m.Name {
				list[i].Meta = metaOf(x.Core, m)
			}
		}
	})
	return x.JSON(map[string]any{"object": "list", "data": list})
}

// bits says in words what is known of a model's devices.
var bits = map[core.Bits]string{core.BitsEqual: "equal bits", core.BitsLimits: "within limits", core.BitsWrong: "wrong bits", core.BitsUnchecked: "bits not checked"}

func metaOf(all *core.Core, m *core.Model) *modelMeta {
	c := &m.Engine.Model.Config
	meta := &modelMeta{Description: m.Kind, Device: m.Engine.Device(), Bits: bits[all.BitsOf(m)], Fingerprint: fingerprint(m), Vocab: c.NVocab, ContextFit: m.Engine.Context, Context: c.NCtx}
	for _, t := range m.Engine.Model.File.Tensors {
		meta.Size += t.Size
	}
	return meta
}

// oneModel answers /v1/models/NAME.
func oneModel(x *core.Exchange) error {
	i, err := x.Models.Lookup(x.R.PathValue("name"))
	if err != nil {
		return err
	}
	out := infoOf(i)
	x.Models.Each(func(m *core.Model) {
		if m.Name == i.Name {
			out.Meta = metaOf(x.Core, m)
		}
	})
	return x.JSON(out)
}
