package main

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	"eclat/cpu"
	"eclat/engine"
	"eclat/loader"
	"eclat/loader/fragment"
	"eclat/loader/manifest"
	"eclat/peer"
	"eclat/peer/libp2p"
)

// TestPeerTwoModels: a server that runs two models from two folders of fragments offers the
// blobs of both to the workers that it asks; one model more does not take away the first's.
func TestPeerTwoModels(t *testing.T) {
	t.Setenv("ECLAT_PEER_DIR", t.TempDir())
	key, err := libp2p.Key(filepath.Join(t.TempDir(), "peer.key"))
	if err != nil {
		t.Fatal(err)
	}
	worker, err := libp2p.New(libp2p.Options{Key: key, Listen: []string{"127.0.0.1:0"}, Allow: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	worker.Handle(peer.Protocol, (&peer.Worker{Device: cpu.Devices(1)[0]}).Serve)
	f := peerFlags{peers: []string{worker.Listening()[0]}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var models []*manifest.Manifest
	for _, name := range []string{"sotu-8m-q4_k_m.gguf", "experts-small.gguf"} {
		whole, err := loader.Open(filepath.Join("..", "..", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer whole.Close()
		res, err := fragment.Write(ctx, whole, t.TempDir(), fragment.Options{})
		if err != nil {
			t.Fatal(err)
		}
		file, err := loader.Open(res.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		models = append(models, file.Manifest())
		if err := f.find(ctx, file, &engine.Options{}); err != nil {
			t.Fatal(err)
		}
		defer f.host.Close()
	}
	from := peer.NewSource(worker, f.host.Self())
	defer from.Close()
	for i, m := range models {
		if text, err := from.Manifest(ctx, m.ID); err != nil || sha256.Sum256(text) != m.ID {
			t.Errorf("model %d: its manifest: %v", i, err)
		}
		for _, b := range m.Blobs[:2] {
			n := min(b.Size, manifest.ChunkBytes)
			if err := from.Read(ctx, b.Sum, 0, n, func([]byte) error { return nil }); err != nil {
				t.Errorf("model %d: a blob: %v", i, err)
			}
		}
	}
}
