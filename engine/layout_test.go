package engine

import (
	"context"
	"strings"
	"testing"

	"eclat/model"
)

// TestLayout: every byte of the weights lies in one piece, in the order of computing, and
// what is held is what was planned where nothing else is computed.
func TestLayout(t *testing.T) {
	ctx := context.Background()
	for _, device := range []string{"cpu", "ref"} {
		e := open(t, builtIn, Options{Device: device, Context: 96})
		l, err := e.Layout(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Devices) != 1 || l.Devices[0].ID != device {
			t.Fatalf("devices: %+v", l.Devices)
		}
		var names []string
		var sum, file int64
		for _, p := range l.Pieces {
			names, sum = append(names, p.Name), sum+p.Bytes
			if p.Device != device || p.Bytes <= 0 {
				t.Errorf("%+v", p)
			}
		}
		for _, x := range e.Model.File.Tensors {
			file += x.Size
		}
		n := e.Model.Config.NLayer
		if len(names) < n+1 || names[0] != "embedding" || names[1] != "layer 0" || names[n] != "layer "+string(rune('0'+n-1)) {
			t.Errorf("%s: pieces %s", device, strings.Join(names, ", "))
		}
		if sum > file || sum < file-1<<12 { // a factor of angles may be no weight
			t.Errorf("%s: pieces of %d bytes, tensors of %d", device, sum, file)
		}
		uses := map[string]Use{}
		for _, u := range l.Memory {
			uses[u.What] = u
		}
		if u := uses["memory of sequences"]; u.Planned == 0 || u.Held != u.Planned {
			t.Errorf("%s: %+v", device, u)
		}
		if u := uses["weights"]; u.Planned < sum || u.Held < sum || u.Held > u.Planned {
			t.Errorf("%s: %+v, weights of %d bytes", device, u, sum)
		}
		if s := l.Stages; len(s) != 1 || !s[0].Embed || !s[0].Head || s[0].Layers() != n || s[0].Token != 0 {
			t.Errorf("%s: stages %+v", device, s)
		}
		if _, err := e.Generate(ctx, Request{Tokens: e.Prompt("We", false), MaxTokens: 3, IgnoreEOS: true}, nil, nil); err != nil {
			t.Fatal(err)
		}
		if l, err = e.Layout(ctx); err != nil || l.Stages[0].Token <= 0 {
			t.Errorf("%s: after an answer a token takes %v, %v", device, l.Stages[0].Token, err)
		}
	}
}

// TestLayoutOfTwo: layers that are dealt out to two devices are named with their own, and
// a device with two stages is one device.
func TestLayoutOfTwo(t *testing.T) {
	var l Layout
	p := &model.Plan{Tensors: []model.Tensor{
		{Name: "token_embd.weight", Kind: model.Weight, Cols: 4, Rows: 2}, {Name: "blk.0.a", Kind: model.Weight, Cols: 4, Rows: 1},
		{Name: "blk.0.b", Kind: model.Weight, Cols: 4, Rows: 1}, {Name: "x", Kind: model.TokenRows, Cols: 4},
	}}
	l.pieces(p, "cpu", "")
	l.pieces(&model.Plan{Tensors: []model.Tensor{{Name: "blk.1.a", Kind: model.Weight, Cols: 4, Rows: 1}, {Name: "output.weight", Kind: model.Weight, Cols: 4, Rows: 2}}}, "vulkan:0", "")
	l.pieces(&model.Plan{Tensors: []model.Tensor{{Name: "blk.1.ffn_up_exps.weight", Kind: model.Weight, Cols: 8, Rows: 1}}}, "cpu", "experts of ")
	want := []Piece{{"embedding", "cpu", -1, 32}, {"layer 0", "cpu", 0, 32}, {"layer 1", "vulkan:0", 1, 16}, {"head", "vulkan:0", -1, 32}, {"experts of layer 1", "cpu", 1, 32}}
	if len(l.Pieces) != len(want) {
		t.Fatalf("%+v", l.Pieces)
	}
	for i := range want {
		if l.Pieces[i] != want[i] {
			t.Errorf("%+v, want %+v", l.Pieces[i], want[i])
		}
	}
	l.device(model.DeviceInfo{ID: "cpu", Held: 5})
	l.device(model.DeviceInfo{ID: "vulkan:0", Held: 6})
	l.device(model.DeviceInfo{ID: "cpu", Held: 7})
	if len(l.Devices) != 2 || l.Devices[0].Held != 12 {
		t.Errorf("%+v", l.Devices)
	}
}
