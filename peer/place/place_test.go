package place

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

func even(n int, bytes int64) []Layer {
	layers := make([]Layer, n)
	for i := range layers {
		layers[i] = Layer{bytes, 1}
	}
	return layers
}

// TestChoose: what the placement is in cases that can be told by hand.
func TestChoose(t *testing.T) {
	home, far := Machine{"home", ms, 0, 0}, Machine{"far", ms, 2 * ms, 0}
	for name, c := range map[string]struct {
		machines []Machine
		layers   []Layer
		o        Options
		want     string // first–end of each, layers at the end, hops
		token    time.Duration
	}{
		"it fits at home":             {[]Machine{home, far}, even(10, 10), Options{After: ms}, "[0 10] [10 10] 0 0", 11 * ms},
		"faster elsewhere":            {[]Machine{home, {"far", ms / 10, 2 * ms, 0}}, even(10, 10), Options{}, "[0 0] [0 10] 0 1", 3 * ms},
		"home has room for four":      {[]Machine{{"home", ms, 0, 48}, {"far", ms, 2 * ms, 96}}, even(10, 10), Options{}, "[0 4] [4 10] 0 1", 12 * ms},
		"as few as hold it":           {[]Machine{{"home", ms, 0, 48}, {"a", ms, ms, 48}, {"b", ms, 9 * ms, 72}}, even(10, 10), Options{}, "[0 4] [4 4] [4 10] 0 1", 19 * ms},
		"more where few are slow":     {[]Machine{{"home", 100 * ms, 0, 0}, {"a", ms, ms, 60}, {"b", ms, ms, 60}}, even(10, 10), Options{Floor: 3}, "[0 0] [0 5] [5 10] 0 2", 12 * ms},
		"the fastest of the slow":     {[]Machine{{"home", 100 * ms, 0, 0}, {"a", 90 * ms, ms, 60}}, even(10, 10), Options{Floor: 3}, "[0 5] [5 10] 0 1", 951 * ms},
		"both ends stay":              {[]Machine{{"home", ms, 0, 48}, far}, even(10, 10), Options{Pin: 1}, "[0 3] [3 9] 1 1", 12 * ms},
		"both ends stay, no room":     {[]Machine{{"home", ms, 0, 35}, far}, even(10, 10), Options{Pin: 1}, "[0 1] [1 9] 1 1", 12 * ms},
		"both ends stay, it all fits": {[]Machine{home, far}, even(10, 10), Options{Pin: 2}, "[0 10] [10 10] 0 0", 10 * ms},
	} {
		p, err := Choose(c.machines, c.layers, c.o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		for i := range p.First {
			got += fmt.Sprint([]int{p.First[i], p.End[i]}, " ")
		}
		if got += fmt.Sprint(p.Back, " ", p.Hops); got != c.want || p.Token != c.token {
			t.Errorf("%s: %s in %v, want %s in %v (%s)", name, got, p.Token, c.want, c.token, p.Why)
		}
	}
	if _, err := Choose([]Machine{{"home", ms, 0, 10}, {"a", ms, ms, 10}}, even(10, 10), Options{}); !errors.Is(err, ErrRoom) {
		t.Errorf("no room: %v", err)
	}
	if _, err := Choose([]Machine{home}, even(3, 10), Options{Pin: 2}); err == nil {
		t.Error("more layers stay than there are")
	}
}

// TestChooseAll: no other way to place small models takes less time on as few machines.
func TestChooseAll(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		layers := make([]Layer, 2+r.IntN(5))
		for i := range layers {
			layers[i] = Layer{1 + r.Int64N(20), 0.5 + r.Float64()}
		}
		machines := make([]Machine, 1+r.IntN(4))
		for i := range machines {
			machines[i] = Machine{"m", ms * time.Duration(1+r.IntN(9)), 0, 1 + r.Int64N(120)}
			if i > 0 {
				machines[i].Hop = ms * time.Duration(1+r.IntN(9))
			}
		}
		o := Options{Pin: r.IntN(2), After: ms}
		best, least := time.Duration(0), 99
		var try func(counts []int, left int)
		try = func(counts []int, left int) {
			if len(counts) < len(machines) {
				for n := 0; n <= left; n++ {
					try(append(counts[:len(counts):len(counts)], n), left-n)
				}
				return
			}
			if left > 0 || counts[0] < o.Pin {
				return
			}
			all, used, at := counts[0] == len(layers)-o.Pin, 0, 0
			for i, n := range counts {
				var need int64
				for _, l := range layers[at : at+n] {
					need += l.Bytes
				}
				at += n
				if i == 0 {
					for _, l := range layers[len(layers)-o.Pin:] {
						need += l.Bytes
					}
				}
				if need > 0 {
					used++
				}
				if float64(need)*1.2 > float64(machines[i].Room) {
					return
				}
			}
			pin := o.Pin
			if all {
				counts[0], pin = len(layers), 0
			}
			p := Given(machines, layers, counts, pin, o)
			if used < least || used == least && p.Token < best {
				best, least = p.Token, used
			}
		}
		try(nil, len(layers)-o.Pin)
		p, err := Choose(machines, layers, o)
		if (err == nil) != (least < 99) || err == nil && (p.Token-best).Abs() > time.Microsecond {
			t.Fatalf("%+v %+v pin %d: %+v, %v; the best takes %v", machines, layers, o.Pin, p, err, best)
		}
	}
}

// TestTakeHome: layers that have moved home are counted there, without a way to them; what was
// placed stays as it was.
func TestTakeHome(t *testing.T) {
	machines, layers := []Machine{{"home", 3 * ms, 0, 0}, {"a", ms, 10 * ms, 0}, {"b", 2 * ms, 20 * ms, 0}}, even(10, 10)
	p := Given(machines, layers, []int{2, 3, 4}, 1, Options{After: 5 * ms})
	if p.Token != 5*ms+9*ms+13*ms+28*ms || p.Hops != 2 || p.Slowest != 8*ms {
		t.Errorf("%+v", p)
	}
	one := p.TakeHome(2, machines, layers)
	if one.Token != 5*ms+9*ms+13*ms+12*ms || one.Hops != 1 || one.Slowest != 12*ms || fmt.Sprint(one.First, one.End, one.Taken) != "[0 2 5] [2 5 5] [[5 9]]" {
		t.Errorf("%+v", one)
	}
	both := one.TakeHome(1, machines, layers)
	if both.Token != 5*ms+30*ms || both.Hops != 0 || fmt.Sprint(both.Taken) != "[[5 9] [2 5]]" || both.Why != "layers 2–4 moved home" {
		t.Errorf("%+v", both)
	}
	if fmt.Sprint(p.End, p.Taken, one.Taken) != "[2 5 9] [] [[5 9]]" {
		t.Errorf("%+v, %+v", p, one)
	}
}
