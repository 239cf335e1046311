package model

import (
	"math"
	"slices"
)

// Numbers of layers with a meaning of their own.
const (
	AutoLayers = -1 // as many as fit
	AllLayers  = -2 // all, or an error
)

// FitRequest is what a device should hold of a model.
type FitRequest struct {
	Stage  *Stage // exactly this stage; nil for the last Layers layers with the head, and the embedding where it holds all
	Layers int    // a number, AutoLayers or AllLayers
	Pages  int    // pages of positions; 0 for as many as fit, up to those of MaxContext
	Room   Room   // of all else; its Pages are not looked at
	Max    int    // most pages where Pages is 0

	Programs []FitProgram // all that may be compiled
	Host     int64        // bytes of main memory that can be had; 0 where the system does not tell

	// Part gives of a stage's plan what the device loads and the plans that it compiles of
	// it, where it computes only a part of the stage; nil where it computes all.
	Part func(p *Plan) (load *Plan, compile []*Plan, err error) `json:"-"`
}

// FitProgram is a program that may be compiled of a stage.
type FitProgram struct {
	CompileOptions
	Logits bool // with the head it ends with logits; others end with tokens
	Normed bool // with the head it ends with normed rows, see Stage
}

// Planned is a program's plan with what it is compiled for.
type Planned struct {
	Plan *Plan
	CompileOptions
}

// Plans describes what a stage loads, with memory of a number of pages, and what is
// compiled of it. The load's plan ends with tokens where it has the head.
func (r *FitRequest) Plans(m *Model, st Stage, pages int) (load *Plan, programs []Planned, err error) {
	room := r.Room
	room.Pages = pages
	st.Sample = st.Head
	if load, err = m.Describe(st, room); err != nil {
		return nil, nil, err
	}
	whole := load
	if load, _, err = r.part(whole); err != nil {
		return nil, nil, err
	}
	plans := map[Stage]*Plan{st: whole} // by how they end
	for i, p := range r.Programs {
		if p.Normed && !st.Head && slices.ContainsFunc(r.Programs[:i], func(o FitProgram) bool { return o.CompileOptions == p.CompileOptions }) {
			continue // the head is all that would be other
		}
		end := st
		end.Normed = p.Normed && st.Head
		end.Sample = st.Head && !p.Logits && !p.Normed
		if plans[end] == nil {
			if plans[end], err = m.Describe(end, room); err != nil {
				return nil, nil, err
			}
		}
		_, parts, err := r.part(plans[end])
		if err != nil {
			return nil, nil, err
		}
		for _, part := range parts {
			programs = append(programs, Planned{part, p.CompileOptions})
		}
	}
	return load, programs, nil
}

func (r *FitRequest) part(p *Plan) (*Plan, []*Plan, error) {
	if r.Part == nil {
		return p, []*Plan{p}, nil
	}
	return r.Part(p)
}

// Fitting is what a device will hold. Sizes are in bytes.
type Fitting struct {
	Layers    int      // of the model, the last ones
	Stage     Stage    // what they are
	Pages     int      // of positions
	Weights   int64    // on the device, as they lie there; 0 where they stay in the mapped file
	Mapped    int64    // weights that are read where the file is mapped
	Memory    int64    // of sequences: key–value memory and states
	Work      int64    // activations, inputs and scratch of all programs
	Available int64    // that the device can give; 0 where it cannot be told
	Apart     *Fitting // what another device holds of the same stage; nil for nothing
	Why       string   // what kept one more layer off the device; empty where all are on it or fewer were asked for
}

// Spare is how many bytes the device can give beside what was planned; as many as one
// likes where it cannot be told.
func (f *Fitting) Spare() int64 {
	if f.Available == 0 {
		return math.MaxInt64
	}
	return f.Available - f.Weights - f.Memory - f.Work
}
