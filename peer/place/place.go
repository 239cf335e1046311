// Package place says which layers of a model which machine computes, and what that comes
// to: it is arithmetic alone, on what was measured.
//
// A token takes, of one machine after the other in a ring that returns home,
//
//	Σ layers × time of a layer  +  Σ (a round trip with its rows)  +  what follows the layers at home
//
// Choose looks at every way to give contiguous ranges to machines in their order, by
// dynamic programming.
package place

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Machine is one that may compute layers. The first of a list is home.
type Machine struct {
	Name  string
	Layer time.Duration // of one token through a layer of weight 1
	Hop   time.Duration // there and back, with a token's rows; 0 for home
	Room  int64         // bytes for layers; 0 where that is not known
}

// Far is what was measured of a machine elsewhere.
type Far struct {
	Token time.Duration // of one token through the stage that was timed
	Hop   time.Duration // there and back, with a token's row
	Rate  float64       // bytes a second, both ways together
}

// Layer is one of the model's.
type Layer struct {
	Bytes  int64   // of weights and of memory
	Weight float64 // what it takes, next to the layer that was timed
}

// Options of Choose.
type Options struct {
	Pin   int           // layers at each end that stay at home
	After time.Duration // what follows the layers, at home
	Floor float64       // tokens a second below which fewer machines are no merit
}

// spare is what a machine must have beside a range's bytes, as a part of them.
const spare = 0.2

// Placement is a way to compute the model. First and End are those of each machine's
// layers, in the order of the machines; equal where it has none.
type Placement struct {
	First, End []int
	Back       int           // layers that home has after all others: the last ones
	Taken      [][2]int      // first and end of layers that home has taken from others, in that order
	After      time.Duration // what follows the layers, at home
	Token      time.Duration // that a token is predicted to take
	Hops       int           // round trips
	Slowest    time.Duration // of the stages
	Why        string
}

// Rate is the predicted number of tokens a second.
func (p *Placement) Rate() float64 { return 1 / max(p.Token.Seconds(), 1e-9) }

// ErrRoom says that the machines together do not hold the model.
var ErrRoom = errors.New("the machines do not hold the model")

// Given predicts a placement that somebody chose: layers of each machine, and back of them
// for home at the end.
func Given(machines []Machine, layers []Layer, counts []int, back int, o Options) *Placement {
	p := &Placement{Back: back, After: o.After, Why: "as given"}
	at := 0
	for _, n := range counts {
		p.First, p.End = append(p.First, at), append(p.End, at+n)
		at += n
	}
	p.predict(machines, layers)
	return p
}

// predict counts all stages.
func (p *Placement) predict(machines []Machine, layers []Layer) {
	p.Token, p.Hops, p.Slowest = p.After, 0, 0
	for i := range p.First {
		p.add(&machines[i], layers[p.First[i]:p.End[i]])
	}
	for _, t := range p.Taken {
		p.add(&machines[0], layers[t[0]:t[1]])
	}
	if p.Back > 0 {
		p.add(&machines[0], layers[len(layers)-p.Back:])
	}
}

// TakeHome is the placement when home has taken a machine's layers. machines and layers are
// those that it was made of.
func (p *Placement) TakeHome(machine int, machines []Machine, layers []Layer) *Placement {
	q := *p
	q.End = slices.Clone(p.End)
	q.Taken = append(slices.Clone(p.Taken), [2]int{p.First[machine], p.End[machine]})
	q.End[machine] = p.First[machine]
	q.predict(machines, layers)
	q.Why = fmt.Sprintf("layers %d–%d moved home", p.First[machine], p.End[machine]-1)
	return &q
}

// add counts a stage.
func (p *Placement) add(m *Machine, layers []Layer) {
	if len(layers) == 0 {
		return
	}
	var t time.Duration
	for _, l := range layers {
		t += time.Duration(l.Weight * float64(m.Layer))
	}
	p.Token += t + m.Hop
	p.Slowest = max(p.Slowest, t)
	if m.Hop > 0 {
		p.Hops++
	}
}

// Choose places the model: on as few machines as hold it, on one if it fits; of these ways
// the one in which a token takes the least time, then that with the fastest slowest stage.
// Where so few are below Options.Floor more machines that are above it count, and where no
// number is, the fastest.
func Choose(machines []Machine, layers []Layer, o Options) (*Placement, error) {
	switch {
	case len(machines) == 0 || len(layers) == 0:
		return nil, errors.New("place: no machines or no layers")
	case o.Pin < 0 || 2*o.Pin > len(layers):
		return nil, fmt.Errorf("%d layers at each end cannot stay at home: there are %d", o.Pin, len(layers))
	}
	var best *Placement
	for k := 1; k <= len(machines); k++ {
		p := search(machines, layers, o, k)
		if p == nil {
			continue
		}
		if p.Rate() >= o.Floor {
			p.Why = fmt.Sprintf("the fewest machines that hold it at %.3g tokens/s or more", o.Floor)
			if k == 1 {
				p.Why = "one machine holds it"
			}
			return p, nil
		}
		if best == nil || p.Token < best.Token {
			best = p
			best.Why = fmt.Sprintf("the fastest, though below %.3g tokens/s", o.Floor)
		}
	}
	if best == nil {
		return nil, lacking(machines, layers)
	}
	return best, nil
}

// cell is the best way to give the first layers to the first machines.
type cell struct {
	ok             bool
	token, slowest time.Duration
	from           int // layers before the last of these machines
}

// search finds the best placement on just k machines, nil where there is none.
func search(machines []Machine, layers []Layer, o Options, k int) *Placement {
	n := len(layers) - o.Pin // the others are home's again
	bytes, weight := sums(layers)
	// best[i][j][l]: machines before i, of which j have layers, compute those before l.
	best := make([][][]cell, len(machines)+1)
	for i := range best {
		best[i] = make([][]cell, k+1)
		for j := range best[i] {
			best[i][j] = make([]cell, n+1)
		}
	}
	best[0][0][0].ok = true
	for i := range machines {
		m := &machines[i]
		for j := 0; j <= k; j++ {
			for from := 0; from <= n; from++ {
				old := best[i][j][from]
				if !old.ok {
					continue
				}
				for to := from; to <= n; to++ {
					need, w, used := bytes[to]-bytes[from], weight[to]-weight[from], j
					if i == 0 { // with the layers at the end, which make it one of the k
						if to < o.Pin {
							continue
						}
						need, w = need+bytes[len(layers)]-bytes[n], w+weight[len(layers)]-weight[n]
					}
					next := cell{true, old.token, old.slowest, from}
					if w > 0 {
						used++
						t := time.Duration(w * float64(m.Layer))
						next.token += t + m.Hop
						next.slowest = max(next.slowest, t)
					}
					if used > k || m.Room > 0 && float64(need)*(1+spare) > float64(m.Room) {
						break
					}
					at := &best[i+1][used][to]
					if !at.ok || next.token < at.token || next.token == at.token && next.slowest < at.slowest {
						*at = next
					}
				}
			}
		}
	}
	if !best[len(machines)][k][n].ok {
		return nil
	}
	return back(machines, layers, best, o, k)
}

// back reads the placement from the table, last machine first.
func back(machines []Machine, layers []Layer, best [][][]cell, o Options, k int) *Placement {
	counts := make([]int, len(machines))
	l := len(layers) - o.Pin
	for i := len(machines); i > 0; i-- {
		from := best[i][k][l].from
		counts[i-1] = l - from
		if counts[i-1] > 0 || i == 1 && o.Pin > 0 {
			k--
		}
		l = from
	}
	if counts[0] == len(layers)-o.Pin {
		counts[0] = len(layers) // all of it is home's
		return Given(machines, layers, counts, 0, o)
	}
	return Given(machines, layers, counts, o.Pin, o)
}

// sums are bytes and weights of all layers before each.
func sums(layers []Layer) (bytes []int64, weight []float64) {
	bytes, weight = make([]int64, len(layers)+1), make([]float64, len(layers)+1)
	for i, l := range layers {
		bytes[i+1], weight[i+1] = bytes[i]+l.Bytes, weight[i]+l.Weight
	}
	return bytes, weight
}

// lacking says how much is missing.
func lacking(machines []Machine, layers []Layer) error {
	bytes, _ := sums(layers)
	var room int64
	for _, m := range machines {
		room += m.Room
	}
	return fmt.Errorf("%w: its %d layers take %d MiB and a fifth more, the %d machines have %d MiB", ErrRoom, len(layers), bytes[len(layers)]>>20, len(machines), room>>20)
}
