package admin_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/serve"
	"eclat/serve/core"
	"eclat/serve/servetest"
	"eclat/testdata"
)

// TestVerify: of a fragments folder is told how many blobs are verified: none before
// somebody asks, all after, and the damaged ones by name.
func TestVerify(t *testing.T) {
	dir := t.TempDir()
	f, err := loader.FromBytes(testdata.ModelName, testdata.Model)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fragment.Write(context.Background(), f, dir, fragment.Options{}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	found, err := core.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := core.NewRegistry(core.RegistryOptions{Open: func(ctx context.Context, name, path string, _ func(string, int64, int64)) (*core.Model, error) {
		f, err := loader.Open(path)
		if err != nil {
			return nil, err
		}
		e, err := engine.Open(ctx, f, engine.Options{Device: "cpu", Context: 64})
		if err != nil {
			return nil, err
		}
		return core.NewModel(name, path, e, nil, nil)
	}})
	defer r.Close()
	if err := r.Add(found...); err != nil {
		t.Fatal(err)
	}
	url := servetest.Start(t, serve.Handler(core.New(core.Options{Models: r, Log: slog.New(slog.DiscardHandler)})))
	servetest.Post(t, url+"/models/load", `{"model":"`+found[0].Name+`"}`)
	total := 0
	if m := until(t, url, "ready").Models[0]; m.Fragments == nil || m.Fragments.Total < 10 || m.Fragments.Verified != 0 {
		t.Fatalf("%+v", m.Fragments)
	} else {
		total = m.Fragments.Total
	}
	verify := func() (v struct {
		Total, Verified int
		Damaged         []string
		Manifest        string
	}) {
		t.Helper()
		list, done := events(t, url+"/api/verify", `{"model":"`+found[0].Name+`"}`)
		if err := json.Unmarshal(list[len(list)-1]["verified"], &v); err != nil || !done {
			t.Fatalf("%v: %s", err, list)
		}
		return v
	}
	if v := verify(); v.Total != total || v.Verified != total || len(v.Damaged) != 0 {
		t.Errorf("a whole folder: %+v", v)
	}
	if m := look(t, url).Models[0]; m.Fragments.Verified != total {
		t.Errorf("%+v", m.Fragments)
	}
	var large string
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if st, e := os.Stat(path); e == nil && st.Mode().IsRegular() && st.Size() > 1<<16 && !strings.HasSuffix(path, ".json") {
			large = path
		}
		return nil
	})
	b, err := os.ReadFile(large)
	if err != nil {
		t.Fatal(err)
	}
	b[100] ^= 1
	os.Chmod(large, 0o644)
	tmp := large + ".new" // the model has the old one mapped
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, large); err != nil {
		t.Fatal(err)
	}
	if v := verify(); v.Verified != total-1 || len(v.Damaged) != 1 || !strings.Contains(large, v.Damaged[0][2:]) {
		t.Errorf("a damaged blob %s: %+v", large, v)
	}
}
