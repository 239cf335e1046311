package engine

import (
	"context"
	"fmt"
	"time"

	"eclat/loader/manifest"
	"eclat/model"
)

// Layout says what of a model lies where.
type Layout struct {
	Devices []model.DeviceInfo // of the chain, in its order, each once; Held is of all that the model has there
	Stages  []StageAt          // in the order of computing
	Pieces  []Piece            // in the order of computing
	Memory  []Use              // by device
}

// StageAt is a stage on its device.
type StageAt struct {
	model.Stage
	Device string        // model.DeviceInfo.ID
	Lost   bool          // the device is on another machine, which does not answer
	Token  time.Duration // that the stage takes for one token, lately, the way to the device and back included; 0 where none was run
}

// Piece is a part of the model on one device.
type Piece struct {
	Name   string // embedding, layer N, experts of layer N, head
	Device string // model.DeviceInfo.ID
	Layer  int    // −1 of what stands before and after the layers
	Bytes  int64  // of its weights, as they lie in the file
}

// Use is what a device's memory is for: weights, the memory of sequences, or work memory.
type Use struct {
	What    string
	Device  string // model.DeviceInfo.ID
	Planned int64  // bytes, before anything was loaded
	Held    int64  // bytes, now. Of weights that are read where the file is mapped, their size
}

// Layout asks the owner what lies where, and other machines, which were not heard of lately,
// whether they are there: one that says nothing takes some seconds. While a device is lost
// nothing lies on it.
func (e *Engine) Layout(ctx context.Context) (l *Layout, err error) {
	err = e.do(ctx, func() error {
		l = new(Layout)
		for i := range e.owner.chain.links {
			k := &e.owner.chain.links[i]
			l.add(k, func() model.DeviceInfo { return processor(&e.options).Info() })
			l.Stages[i].Lost = k.remote && !k.there(ctx)
		}
		return nil
	})
	return l, err
}

// add adds a link's part. rest is the device that has experts which are apart.
func (l *Layout) add(k *link, rest func() model.DeviceInfo) {
	info := k.device.Info()
	var memory, weights, work int64
	if k.backend != nil {
		info = k.backend.Info()
		memory = k.plan.MemoryBytes()
		weights = k.fit.Mapped + max(0, k.loaded-memory)
		work = max(0, info.Held-k.loaded)
	}
	l.device(info)
	l.Stages = append(l.Stages, StageAt{Stage: k.stage, Device: info.ID, Token: k.token})
	here, there := k.plan, (*model.Plan)(nil)
	if a := k.fit.Apart; a != nil {
		if cut, err := k.plan.CutExperts(func(layer int) bool { return layer < a.Stage.End }); err == nil {
			here, there = cut.Here, cut.Apart
		}
	}
	l.pieces(here, info.ID, "")
	l.use("weights", info.ID, k.fit.Weights+k.fit.Mapped, weights)
	l.use("memory of sequences", info.ID, k.fit.Memory, memory)
	l.use("work memory", info.ID, k.fit.Work, work)
	if there != nil {
		a, on := k.fit.Apart, rest()
		l.device(on)
		l.pieces(there, on.ID, "experts of ")
		l.use("weights", on.ID, a.Mapped, a.Mapped)
		l.use("work memory", on.ID, a.Work+a.Weights, 0)
	}
}

func (l *Layout) device(info model.DeviceInfo) {
	for i := range l.Devices {
		if d := &l.Devices[i]; d.ID == info.ID { // which has several stages
			d.Held += info.Held
			return
		}
	}
	l.Devices = append(l.Devices, info)
}

// pieces adds the weights of a plan, layer by layer.
func (l *Layout) pieces(p *model.Plan, device, of string) {
	for _, w := range p.Weights() {
		layer := manifest.LayerOf(w.Source())
		name := fmt.Sprintf("layer %d", layer)
		if layer < 0 {
			if name = "head"; len(l.Pieces) == 0 || l.Pieces[len(l.Pieces)-1].Name == "embedding" {
				name = "embedding"
			}
		}
		size, _ := w.Type.RowBytes(uint64(w.Rows) * uint64(w.Cols))
		if n := len(l.Pieces); n > 0 && l.Pieces[n-1].Name == of+name && l.Pieces[n-1].Device == device {
			l.Pieces[n-1].Bytes += int64(size)
			continue
		}
		l.Pieces = append(l.Pieces, Piece{Name: of + name, Device: device, Layer: layer, Bytes: int64(size)})
	}
}

// use adds to a line, of which there is one for each purpose and device.
func (l *Layout) use(what, device string, planned, held int64) {
	for i := range l.Memory {
		if u := &l.Memory[i]; u.What == what && u.Device == device {
			u.Planned, u.Held = u.Planned+planned, u.Held+held
			return
		}
	}
	if planned != 0 || held != 0 {
		l.Memory = append(l.Memory, Use{what, device, planned, held})
	}
}
