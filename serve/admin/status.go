package admin

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"eclat/engine"
	"eclat/engine/bench"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/serve/core"
)

type deviceState struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Driver     string    `json:"driver,omitempty"`
	Kind       string    `json:"kind"`
	State      string    `json:"state"` // ok or lost
	Bits       core.Bits `json:"bits"`
	Difference string    `json:"difference,omitempty"`
	Kernels    int       `json:"kernels,omitempty"`
	Memory     *room     `json:"memory,omitempty"`
}

// room is a device's memory, in bytes.
type room struct {
	Total int64 `json:"total,omitempty"` // 0 where the device does not tell
	Used  int64 `json:"used"`            // by the models that are loaded
}

type modelState struct {
	ID           string     `json:"id"`
	File         string     `json:"file,omitempty"`
	State        string     `json:"state"`
	Progress     *float64   `json:"progress,omitempty"`
	What         string     `json:"what,omitempty"`
	Error        string     `json:"error,omitempty"`
	Architecture string     `json:"architecture,omitempty"`
	Parameters   string     `json:"parameters,omitempty"`
	Quantisation string     `json:"quantisation,omitempty"`
	Bytes        int64      `json:"bytes,omitempty"`
	Context      int        `json:"context,omitempty"`
	Identity     string     `json:"identity,omitempty"`
	Users        int        `json:"requests"`
	Layers       []layer    `json:"layers,omitempty"`
	Stages       []stage    `json:"stages,omitempty"`
	Memory       []use      `json:"memory,omitempty"`
	Fragments    *fragments `json:"fragments,omitempty"`
}

type layer struct {
	Name   string `json:"name"`
	Device string `json:"device"`
	Bytes  int64  `json:"bytes"`
}

// stage is what a device computes of a model without a break.
type stage struct {
	Device string  `json:"device"`
	First  int     `json:"first"`              // layer
	Layers int     `json:"layers"`             // 0 of the head alone
	Token  float64 `json:"token_ms,omitempty"` // lately, the way there and back included
}

type use struct {
	What    string `json:"what"`
	Device  string `json:"device"`
	Planned int64  `json:"planned"`
	Real    int64  `json:"real"`
}

// peerState is another machine that computes layers.
type peerState struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	State  string   `json:"state"` // ok or lost
	Models []string `json:"models"`
	Layers int      `json:"layers"`             // of all models
	Trip   float64  `json:"token_ms,omitempty"` // of one token through its layers, the network included
	Checks string   `json:"checks"`             // what was compared with it before it computes
}

// status tells what lies where. A model whose engine is busy for long is told as it was
// last seen.
func (a *admin) status(x *core.Exchange) error {
	ctx, cancel := context.WithTimeout(x.Context(), 2*time.Second)
	defer cancel()
	infos := x.Models.List()
	models := make([]modelState, len(infos))
	lies := map[string]*lying{}
	for i, info := range infos {
		models[i] = stateOf(info)
	}
	x.Models.Each(func(m *core.Model) {
		for i := range models {
			if models[i].ID == m.Name && models[i].State == "ready" {
				if l := a.look(ctx, m); l != nil {
					lies[m.Name] = l
				}
				a.describe(&models[i], m, lies[m.Name])
			}
		}
	})
	devices, peers := a.deviceStates(lies)
	return x.JSON(map[string]any{"version": a.core.Machine.Version, "devices": devices, "peers": peers, "models": models, "measuring": len(a.running) > 0})
}

// lying is what lies where of a model that is loaded.
type lying struct {
	engine.Layout
	model *core.Model
	down  bool
}

// look asks a model's engine, and remembers what it says.
func (a *admin) look(ctx context.Context, m *core.Model) *lying {
	l, err := m.Engine.Layout(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.last[m.Name]
	switch {
	case err == nil:
		now = &lying{Layout: *l, model: m}
	case now == nil || now.model != m:
		return nil
	default:
		again := *now
		now = &again
	}
	now.down = m.Engine.Down()
	a.last[m.Name] = now
	return now
}

var states = map[core.State]string{core.Loaded: "ready", core.Loading: "loading", core.Unloaded: "unloaded", core.Failed: "failed"}

func stateOf(i core.Info) modelState {
	out := modelState{ID: i.Name, State: states[i.State], Bytes: i.Bytes, Users: i.Users}
	if i.Path != "" {
		out.File = filepath.Base(i.Path)
	}
	if i.Error != nil {
		out.Error = core.Of(i.Error).Message
	}
	if i.State == core.Loading {
		p := 0.
		if i.Total > 0 {
			p = float64(i.Done) / float64(i.Total)
		}
		out.Progress, out.What = &p, i.What
	}
	return out
}

// describe adds what is known of a model that is loaded. l may be nil.
func (a *admin) describe(out *modelState, m *core.Model, l *lying) {
	e := m.Engine
	out.File = filepath.Base(e.Model.File.Path)
	out.Architecture, out.Parameters, out.Quantisation = e.Model.Config.Architecture, m.Size, m.Types
	out.Bytes, out.Context, out.Identity = bench.Bytes(e), e.Context, "sha256:"+m.Identity
	out.Fragments = a.fragmentsOf(m)
	if l == nil {
		return
	}
	for _, p := range l.Pieces {
		out.Layers = append(out.Layers, layer{p.Name, p.Device, p.Bytes})
	}
	for _, s := range l.Stages {
		out.Stages = append(out.Stages, stage{s.Device, s.First, s.Layers(), float64(s.Token.Microseconds()) / 1000})
	}
	for _, u := range l.Memory {
		out.Memory = append(out.Memory, use{u.What, u.Device, u.Planned, u.Held})
	}
}

// devices are those of the machine.
func (a *admin) devices() []model.DeviceInfo {
	if a.core.Machine.Devices == nil {
		return nil
	}
	return a.core.Machine.Devices()
}

// kindOf is a device's kind in one word: gpu, cpu, ref or peer.
func kindOf(d *model.DeviceInfo) string {
	switch {
	case isPeer(d.ID):
		return "peer"
	case d.GPU():
		return "gpu"
	case d.Kind == model.Reference:
		return "ref"
	}
	return "cpu"
}

func isPeer(id string) bool { return strings.HasPrefix(id, "peer:") }

// deviceStates are the machine's devices and the other machines that compute, with what
// the loaded models have on each.
func (a *admin) deviceStates(lies map[string]*lying) (devices []deviceState, peers []peerState) {
	devices, peers = []deviceState{}, []peerState{}
	type seen struct {
		info model.DeviceInfo
		used int64
		down bool
		peer peerState
	}
	var order []string
	all := map[string]*seen{}
	add := func(info model.DeviceInfo) *seen {
		s := all[info.ID]
		if s == nil {
			s = &seen{info: info}
			all[info.ID] = s
			order = append(order, info.ID)
		}
		return s
	}
	for _, d := range a.devices() {
		add(d)
	}
	inUse := map[string]bool{}
	for name, l := range lies {
		gone := l.down // which of several it is, the engine does not tell
		for i := range l.Devices {
			d := &l.Devices[i]
			s := add(*d)
			inUse[d.ID] = true
			s.down = s.down || gone && (len(l.Devices) == 1 || kindOf(d) != "cpu")
			s.peer.Models = append(s.peer.Models, name)
		}
		for _, u := range l.Memory {
			all[u.Device].used += u.Held
		}
		for _, st := range l.Stages {
			s := all[st.Device]
			s.down = s.down || st.Lost
			s.peer.Layers += st.Layers()
			s.peer.Trip = max(s.peer.Trip, float64(st.Token.Microseconds())/1000)
		}
	}
	for _, id := range order {
		s := all[id]
		state := "ok"
		if s.down {
			state = "lost"
		}
		if kindOf(&s.info) == "peer" {
			s.peer.ID, s.peer.Name, s.peer.State = id, s.info.Name, state
			s.peer.Checks = "the same definition of numbers, plan and weights as this machine's"
			peers = append(peers, s.peer)
		}
		found := a.core.CheckOf(&s.info, inUse[id])
		devices = append(devices, deviceState{ID: id, Name: titleOf(&s.info), Driver: driverOf(&s.info), Kind: kindOf(&s.info), State: state,
			Bits: found.Bits, Difference: found.Difference, Kernels: found.Kernels, Memory: roomOf(&s.info, s.used)})
	}
	return devices, peers
}

// titleOf is a device's name; the reference's says what it is.
func titleOf(d *model.DeviceInfo) string {
	if d.Kind == model.Reference {
		return "Reference"
	}
	return d.Name
}

func driverOf(d *model.DeviceInfo) string {
	if d.Kind == model.Reference {
		return "plain loops, what all others are checked against"
	}
	if d.Driver == "" {
		return d.Kernels
	}
	return d.Driver
}

// roomOf is a device's memory. The processor's is what its models hold and what can be had
// besides.
func roomOf(d *model.DeviceInfo, used int64) *room {
	r := &room{Total: d.Memory, Used: used}
	if d.Kind == model.Processor && !isPeer(d.ID) {
		if free := engine.AvailableMemory(); free > 0 {
			r.Total = free + used
		}
	}
	if isPeer(d.ID) && r.Total <= 1 { // it is not told
		r.Total = 0
	}
	if r.Total == 0 && r.Used == 0 {
		return nil
	}
	return r
}

func isManifest(path string) bool { return manifest.IsName(path) }
