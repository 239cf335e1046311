package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eclat/cpu"
	"eclat/model"
	"eclat/model/backendtest"
	"eclat/model/rows"
)

// cutAs opens a small model with layers after this machine's own on devices to which
// rows travel in a format.
func cutAs(t *testing.T, f rows.Format, own model.Device, o Options, cut ...int) *Engine {
	for range cut[1:] {
		o.Peers = append(o.Peers, backendtest.Rounding(cpu.Devices(1)[0], f))
	}
	o.Layers, o.Context, o.devices = cut, 512, []model.Device{own, cpu.Devices(1)[0]}
	return open(t, smaller, o)
}

// said is an answer with its proof.
func said(t *testing.T, e *Engine) (ids []int32, st Stats) {
	t.Helper()
	st, err := e.Generate(context.Background(), Request{Tokens: familyIDs(40), Share: -1, MaxTokens: 20, IgnoreEOS: true, Proof: true}, nil, func(id int32) { ids = append(ids, id) })
	if err != nil {
		t.Fatal(err)
	}
	return ids, st
}

// failing is a GPU that turns out to be of no use after some runs.
type failing struct {
	model.Device
	after int
}

func (d *failing) Info() model.DeviceInfo {
	info := d.Device.Info()
	info.ID, info.Kind = "failing", model.DiscreteGPU
	return info
}

func (d *failing) Open(ctx context.Context, o model.OpenOptions) (model.Backend, error) {
	b, err := d.Device.Open(ctx, o)
	return backendtest.Around(b, err, func(ctx context.Context, p model.Program, b *model.Batch, out *model.Outputs) error {
		if d.after--; d.after < 0 {
			return ErrDevice
		}
		return p.Run(ctx, b, out)
	})
}

// TestRoundedOnProcessor: where this machine's own device is of no use, and all layers move
// to the processor, those of other machines too, rows are rounded where they were.
func TestRoundedOnProcessor(t *testing.T) {
	for _, f := range rows.Formats {
		_, want := said(t, cutAs(t, f, cpu.Devices(1)[0], Options{Device: "cpu"}, 1, 1, 1))
		var told []string
		e := cutAs(t, f, &failing{cpu.Devices(1)[0], 30}, Options{Notice: func(m string) { told = append(told, m) }}, 1, 1, 1)
		for i := range 2 {
			if _, st := said(t, e); st.Proof != want.Proof {
				t.Errorf("%v, answer %d: %s, undisturbed %s; %q", f, i, st.Proof, want.Proof, told)
			}
		}
		if !slices.ContainsFunc(told, func(m string) bool { return strings.Contains(m, "all layers move to cpu") }) || strings.Contains(e.Device(), "failing") || e.Placement() != nil {
			t.Errorf("%v: %q; %q", f, e.Device(), told)
		}
	}
}

// TestRoundedKept: what is kept of a text is of no use where rows are rounded elsewhere or
// otherwise: pages are of another kind, and a session is another's; where they are rounded
// just so it goes on with the bits that it would have had.
func TestRoundedKept(t *testing.T) {
	ctx := context.Background()
	first := cutAs(t, rows.Q8_0, cpu.Devices(1)[0], Options{Device: "cpu"}, 1, 1, 1)
	ids, _ := said(t, first)
	text := slices.Concat(familyIDs(40), ids)
	var file bytes.Buffer
	if _, err := first.Save(ctx, &file, "", &Session{Tokens: text}); err != nil {
		t.Fatal(err)
	}
	kind, err := first.CacheKind(ctx)
	if err != nil {
		t.Fatal(err)
	}
	on := func(e *Engine) Stats {
		st, err := e.Generate(ctx, Request{Tokens: append(slices.Clone(text), 5, 6, 7), Share: -1, MaxTokens: 8, IgnoreEOS: true, Proof: true}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	want := on(first)
	for _, c := range []struct {
		rows rows.Format
		cut  []int
		same bool
	}{
		{rows.Q8_0, []int{1, 1, 1}, true},
		{rows.F16, []int{1, 1, 1}, false},
		{rows.F32, []int{1, 1, 1}, false},
		{rows.Q8_0, []int{1, 2}, false},
		{rows.Q8_0, []int{0, 1, 2}, false},
	} {
		e := cutAs(t, c.rows, cpu.Devices(1)[0], Options{Device: "cpu"}, c.cut...)
		other, err := e.CacheKind(ctx)
		if err != nil || (fmt.Sprint(other) == fmt.Sprint(kind)) != c.same {
			t.Errorf("%v cut as %v: pages of %v, of %v with q8_0 cut as 1, 1, 1; %v", c.rows, c.cut, other, kind, err)
		}
		_, err = e.Restore(ctx, bytes.NewReader(file.Bytes()), "", "")
		if c.same && err != nil || !c.same && (!errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "rounded otherwise between machines")) {
			t.Errorf("%v cut as %v: %v", c.rows, c.cut, err)
		}
		if st := on(e); (st.Proof == want.Proof) != c.same || (st.CachedTokens > 0) != c.same {
			t.Errorf("%v cut as %v: %s, %d tokens cached; with q8_0 cut as 1, 1, 1 %s", c.rows, c.cut, st.Proof, st.CachedTokens, want.Proof)
		}
	}
}

// TestRoundedTold: the device's name says in which format rows travel, and a notice what that
// comes to.
func TestRoundedTold(t *testing.T) {
	for _, f := range rows.Formats {
		var told []string
		e := cutAs(t, f, cpu.Devices(1)[0], Options{Device: "cpu", Notice: func(m string) { told = append(told, m) }}, 1, 2)
		notice := fmt.Sprintf("rows travel as %v, %d bytes for a token in the place of 256", f, f.Bytes(64))
		if exact := f == rows.F32; strings.Contains(e.Device(), "by rows in "+f.String()) == exact || strings.Contains(strings.Join(told, "\n"), notice) == exact {
			t.Errorf("%v: %q; %q", f, e.Device(), told)
		}
	}
}
