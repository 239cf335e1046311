package serve

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eclat/engine"
	"eclat/model"
	templates "eclat/model/chat"
	"eclat/serve/core"
	"eclat/serve/servetest"
	"eclat/testdata"
)

// instruct writes the built-in model with the chat template of a family that calls tools
// and marks its reasoning, as a file of an instruct model has it.
func instruct(t *testing.T) (path string) {
	t.Helper()
	template, err := templates.ParseBuiltIn(context.Background(), "qwen3")
	if err != nil {
		t.Fatal(err)
	}
	text := func(b []byte, s string) []byte {
		return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
	}
	source := template.Source
	kv := func() []byte {
		b := text(nil, "tokenizer.chat_template")
		return text(binary.LittleEndian.AppendUint32(b, 8), source) // a string
	}
	source += "{#" + strings.Repeat("-", (64-(len(kv())+4)%32)%32) + "#}" // what follows stays aligned
	const header = 24                                                     // magic, version, number of tensors, number of keys
	b := append([]byte{}, testdata.Model[:header]...)
	binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])+1)
	b = append(append(b, kv()...), testdata.Model[header:]...)
	path = filepath.Join(t.TempDir(), "instruct.gguf")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClients: the clients that the APIs' makers publish for JavaScript, against the
// built-in model and an instruct one: streaming, tools, schemas, errors, cancellation,
// embeddings, responses. All that they were answered is checked against their own types.
func TestClients(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node: the JavaScript clients are not tried (apt-get install nodejs npm; sh .ci/clients)")
	}
	modules, err := filepath.Abs("../bin/clients/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(modules, "openai")); err != nil {
		t.Skip("the JavaScript clients are not installed (sh .ci/clients)")
	}
	keys := core.Guard{Keys: []string{"secret-of-clients"}}
	plain, a := start(t, servetest.Options{Engine: engine.Options{Embeddings: true, Context: 4096}, Core: core.Options{Guard: keys, Pooling: model.MeanPooling}})
	other, b := start(t, servetest.Options{Path: instruct(t), Engine: engine.Options{Context: 4096}, Core: core.Options{Guard: keys}})
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/clients/clients.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"clients.mjs": string(script), "package.json": `{"type":"module"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command(node, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run("clients.mjs", plain, other, "checked.ts")
	if err != nil {
		t.Errorf("%v: %s", err, out)
	} else {
		t.Log(out)
	}
	for _, c := range []*core.Core{a, b} { // those that left are cancelled
		counters(t, c, "idle", func(n engine.Counters) bool { return n.Working+n.Waiting == 0 })
	}
	out, err = run("node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "checked.ts")
	if err != nil {
		t.Errorf("%v: %.4000s", err, out)
	}
}
