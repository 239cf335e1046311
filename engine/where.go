package engine

import (
	"fmt"
	"strings"

	"eclat/model/rows"
	"eclat/peer/place"
)

// where says what a model's layers lie on. It is replaced when they move, never changed.
type where struct {
	device    string
	placement *place.Placement
}

// Device is the device that the layers lie on now, or several of them, for people.
func (e *Engine) Device() string { return e.where.Load().device }

// Placement is how the layers lie on this and other machines now, with its prediction; nil
// where they all lie on this one. Where another machine has taken the place of one, the
// prediction is still of that one. It is not to be changed.
func (e *Engine) Placement() *place.Placement { return e.where.Load().placement }

// moved takes up that layers may lie elsewhere than before. The owner calls it.
func (e *Engine) moved() {
	c := &e.owner.chain
	now := &where{device: describeLinks(c.links), placement: e.where.Load().placement}
	for i := range c.links { // layers that have come home, one machine's after the other
		if l := &c.links[i]; l.peer > 0 && !l.remote && now.placement != nil && now.placement.End[l.peer] > now.placement.First[l.peer] {
			now.placement = now.placement.TakeHome(l.peer, e.predicted.machines, e.predicted.layers)
		}
	}
	if !c.remote() {
		now.placement = nil
	}
	e.where.Store(now)
}

// describeLinks says how many layers are on which devices, in the order of computing.
func describeLinks(links []link) string {
	type part struct {
		layers int
		on     string
	}
	var parts []part
	for i := range links {
		l := &links[i]
		n := l.stage.Layers()
		if n == 0 {
			continue
		}
		info := l.device.Info()
		on := info.Describe()
		if l.rows != rows.F32 {
			on += fmt.Sprintf(" by rows in %v", l.rows)
		}
		if k := len(parts); k > 0 && parts[k-1].on == on {
			parts[k-1].layers += n
			continue
		}
		parts = append(parts, part{n, on})
	}
	if len(parts) == 1 {
		return parts[0].on
	}
	var all []string
	for _, p := range parts {
		all = append(all, fmt.Sprintf("%d layers on %s", p.layers, p.on))
	}
	return strings.Join(all, ", ")
}
