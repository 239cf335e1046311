package manifest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eclat/loader"
	"eclat/loader/loadertest"
	"eclat/loader/manifest"
)

// TestManifestText reads a manifest with another JSON reader: the fields mean what
// they say.
func TestManifestText(t *testing.T) {
	_, path := loadertest.Folder(t, loadertest.Layered())
	data := loadertest.ReadFile(t, path)
	var m struct {
		Schema string
		Source struct {
			Name   string
			Size   int64
			Sha256 string
			Parts  []struct {
				Size   int64
				Header string
			}
		}
		Architecture string
		Config       map[string]any
		Specifics    map[string]struct {
			Shape    []int
			Type     string
			RowBytes int `json:"row_bytes"`
			Size     int64
			Blob     string
		} `json:"tensor_specifics"`
		Fragments []struct {
			Name    string
			Tensors []string
		}
		Blobs []struct {
			Sha256 string
			Size   int64
			Chunks []string
		}
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	if id := fmt.Sprintf("%x", sha256.Sum256(data)); !strings.HasSuffix(path, "model."+id+".json") {
		t.Errorf("%s is not named by its sha256, %s", path, id)
	}
	src := loadertest.Layered().Bytes()
	if m.Source.Name != "model.gguf" || m.Source.Size != int64(len(src)) || m.Source.Sha256 != fmt.Sprintf("%x", sha256.Sum256(src)) {
		t.Errorf("source %+v", m.Source)
	}
	if m.Schema != "eclat.fragments/1" || m.Architecture != "llama" || m.Config["n_layer"] != 3.0 {
		t.Errorf("schema %q, architecture %q, config %v", m.Schema, m.Architecture, m.Config)
	}
	var names []string
	for _, f := range m.Fragments {
		names = append(names, f.Name+":"+strings.Join(f.Tensors, ","))
	}
	want := "header:rope_freqs.weight embed:token_embd.weight" +
		" layer-0:blk.0.attn_norm.weight,blk.0.attn_q.weight layer-1:blk.1.attn_norm.weight,blk.1.attn_q.weight" +
		" layer-2:blk.2.attn_norm.weight,blk.2.attn_q.weight head:output_norm.weight,output.weight"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("fragments %s\nwant %s", got, want)
	}
	if e := m.Specifics["token_embd.weight"]; e.Type != "I8" || len(e.Shape) != 1 || e.Shape[0] != manifest.ChunkBytes+100 || e.RowBytes != e.Shape[0] {
		t.Errorf("token_embd %+v", e)
	}
	if len(m.Blobs) != 9 { // 10 tensors, three of them equal, and the header
		t.Errorf("%d blobs", len(m.Blobs))
	}
	for _, b := range m.Blobs {
		blob := loadertest.ReadFile(t, filepath.Join(filepath.Dir(path), "blobs", b.Sha256[:2], b.Sha256))
		if fmt.Sprintf("%x", sha256.Sum256(blob)) != b.Sha256 || int64(len(blob)) != b.Size {
			t.Errorf("blob %s is not what it says", b.Sha256)
		}
		for i, c := range b.Chunks {
			part := blob[i*manifest.ChunkBytes : min(len(blob), (i+1)*manifest.ChunkBytes)]
			if fmt.Sprintf("%x", sha256.Sum256(part)) != c {
				t.Errorf("blob %s, chunk %d: wrong sum", b.Sha256, i)
			}
		}
	}
	// Reading and writing it again changes nothing.
	p, err := manifest.Parse("m", data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Encode(); err != nil || !bytes.Equal(again, data) {
		t.Errorf("written again it differs (%v)", err)
	}
}

// hostileManifests are changes to a sound manifest, each with the field that the
// error names and a part of the reason. old and new are applied to the text; an
// old that is there several times is changed at its first place.
var hostileManifests = []struct{ name, old, new, field, reason string }{
	{"empty object", "", "{}", "schema", "missing"},
	{"not JSON", "", "GGUF", "manifest", "not canonical"},
	{"nothing", "", "", "manifest", "ends here"},
	{"array", "", "[]", "manifest", "not canonical"},
	{"other schema", "fragments/1", "fragments/2", "schema", "eclat.fragments/1"},
	{"unknown field", `,"architecture":`, `,"extra":1,"architecture":`, "extra", "unknown"},
	{"unknown field at the end", `]}]}`, `]}],"extra":1}`, "extra", "unknown"},
	{"unknown field in a tensor", `"offset":`, `"data":"x","offset":`, "tensor_specifics.token_embd.weight.data", "unknown"},
	{"unknown field in source", `"source":{`, `"source":{"url":"x",`, "source.url", "unknown"},
	{"field twice", `"source":`, `"schema":"eclat.fragments/1","source":`, "schema", "twice"},
	{"field twice at the end", `]}]}`, `]}],"schema":"eclat.fragments/1"}`, "schema", "twice"},
	{"field twice in a tensor", `"type":"I8",`, `"type":"I8","type":"I8",`, "tensor_specifics.token_embd.weight.type", "twice"},
	{"other case", `"architecture"`, `"Architecture"`, "Architecture", "unknown"},
	{"field missing", `"architecture":"llama",`, ``, "config", "out of order"},
	{"tensor twice", `"blk.1.attn_q.weight":{`, `"blk.0.attn_q.weight":{`, "tensor_specifics.blk.0.attn_q.weight", "twice"},
	{"blob twice", `"blobs":[`, `"blobs":[FIRST,`, "blobs.sha256", "twice"},
	{"space", `,"source"`, `, "source"`, "source", "not canonical"},
	{"line end", `]}]}`, "]}]}\n", "manifest", "1 bytes follow"},
	{"second object", `]}]}`, `]}]}{}`, "manifest", "2 bytes follow"},
	{"cut off", `"chunks"`, "CUT", "blobs.chunks", "ends here"},
	{"escape", `"llama"`, `"ll\u0061ma"`, "architecture", "escape"},
	{"control character", `"llama"`, "\"lla\x01ma\"", "architecture", "printable"},
	{"invalid text", `"llama"`, "\"lla\xffma\"", "architecture", "printable"},
	{"long string", `"llama"`, `"` + strings.Repeat("l", 300) + `"`, "architecture", "256"},
	{"leading zero", `"size":`, `"size":0`, "source.size", "leading zero"},
	{"plus", `"size":`, `"size":+`, "source.size", "whole number"},
	{"negative size", `"size":`, `"size":-`, "source.size", "whole number"},
	{"fraction", `"offset":`, `"offset":0.5`, "tensor_specifics.token_embd.weight.offset", "not canonical"},
	{"exponent", `"row_bytes":4`, `"row_bytes":1e4`, "tensor_specifics.token_embd.weight.row_bytes", "not canonical"},
	{"size overflows", `"size":`, `"size":99999999999999999999999`, "source.size", "above"},
	{"string for a number", `"size":`, `"size":"1",`, "source.size", "whole number"},
	{"null for a number", `"offset":`, `"offset":null,`, "tensor_specifics.token_embd.weight.offset", "whole number"},

	{"parent folder as name", `"model.gguf"`, `".."`, "source.name", "plain file name"},
	{"path as name", `"model.gguf"`, `"../model.gguf"`, "source.name", "plain file name"},
	{"absolute path as name", `"model.gguf"`, `"/etc/passwd"`, "source.name", "plain file name"},
	{"Windows path as name", `"model.gguf"`, `"C:\\model.gguf"`, "source.name", "plain file name"},
	{"no name", `"model.gguf"`, `""`, "source.name", "plain file name"},
	{"path as blob", `"blob":"`, `"blob":"../../../../etc/passwd","x":"`, "tensor_specifics.token_embd.weight.blob", "sha256"},
	{"absolute path as blob", `"blob":"`, `"blob":"/etc/passwd","x":"`, "tensor_specifics.token_embd.weight.blob", "sha256"},
	{"path as header", `"header":"`, `"header":"../x","x":"`, "source.parts.header", "sha256"},
	{"path in blobs", `"blobs":[{"sha256":"`, `"blobs":[{"sha256":"../x","x":"`, "blobs.sha256", "sha256"},
	{"short sum", `"blobs":[{"sha256":"00`, `"blobs":[{"sha256":"`, "blobs.sha256", "sha256"},
	{"capital sum", `"blob":"`, `"blob":"` + strings.Repeat("A", 64) + `","x":"`, "tensor_specifics.token_embd.weight.blob", "sha256"},
	{"long sum", `"blob":"`, `"blob":"00`, "tensor_specifics.token_embd.weight.blob", "64 bytes"},

	{"unlisted blob", `"blob":"`, `"blob":"` + strings.Repeat("0", 64) + `"},"x":{"shape":[1],"type":"I8","row_bytes":1,"size":1,"offset":0,"blob":"`, "tensor_specifics.token_embd.weight.blob", "not in the list"},
	{"unlisted header", `"header":"`, `"header":"` + strings.Repeat("0", 64) + `"},{"size":1,"header":"`, "source.parts.size", "leaves 0"},
	{"no parts", `"parts":[`, `"parts":[],"x":[`, "source.x", "unknown"},
	{"source larger than its parts", `"size":4`, `"size":5`, "source.size", "short of it"},
	{"empty shape", `"shape":[`, `"shape":[],"x":[`, "tensor_specifics.token_embd.weight.x", "unknown"},
	{"five dimensions", `"shape":[`, `"shape":[1,1,1,1,`, "tensor_specifics.token_embd.weight.shape", "more than 4"},
	{"dimension 0", `"shape":[`, `"shape":[0,`, "tensor_specifics.token_embd.weight.shape", "is 0"},
	{"dimensions overflow", `"shape":[`, `"shape":[9007199254740991,9007199254740991,`, "tensor_specifics.token_embd.weight.shape", "overflows"},
	{"other shape", `"shape":[320]`, `"shape":[321]`, "tensor_specifics.blk.0.attn_q.weight.row_bytes", "321"},
	{"bytes for elements", `"type":"I8"`, `"type":"F32"`, "tensor_specifics.token_embd.weight.row_bytes", "F32"},
	{"unknown type", `"type":"I8"`, `"type":"Q9"`, "tensor_specifics.token_embd.weight.type", "no tensor type"},
	{"overlap", "OVERLAP", "", "tensor_specifics.blk.0.attn_norm.weight.offset", "overlap"},
	{"beyond the end", `"offset":`, `"offset":9`, "tensor_specifics.token_embd.weight.offset", "beyond"},
	{"other part", `"blob":"`, `"shard":1,"blob":"`, "tensor_specifics.token_embd.weight.shard", "part 1 of 1"},
	{"part 0 spelt out", `"blob":"`, `"shard":0,"blob":"`, "tensor_specifics.token_embd.weight.shard", "canonical"},

	{"fragment missing", `{"name":"layer-1","tensors":["blk.1.attn_norm.weight","blk.1.attn_q.weight"]},`, ``, "fragments.name", "layer-2"},
	{"last fragment missing", `,{"name":"head","tensors":["output_norm.weight","output.weight"]}`, ``, "fragments", "head is missing"},
	{"unknown fragment", `"name":"layer-1"`, `"name":"../layer-1"`, "fragments.name", "../layer-1"},
	{"fragment out of order", `"name":"layer-1"`, `"name":"layer-2"`, "fragments.name", "layer-2"},
	{"tensor in another fragment", `"tensors":["blk.1.attn_norm.weight",`, `"tensors":[`, "fragments.tensors", "layer-1"},

	{"blob without bytes", `"size":96,"chunks"`, `"size":0,"chunks"`, "blobs.size", "0 bytes"},
	{"blob larger than the source", `"size":96,"chunks"`, `"size":9007199254740991,"chunks"`, "blobs.size", "9007199254740991"},
	{"other size of a blob", `"size":96,"chunks"`, `"size":97,"chunks"`, "tensor_specifics.", "97 bytes"},
	{"no chunks", `"size":96,"chunks":[`, `"size":96,"chunks":[],"x":[`, "blobs.x", "unknown"},
	{"chunk that is not the blob", `"size":96,"chunks":["`, `"size":96,"chunks":["` + strings.Repeat("0", 64) + `"]},{"sha256":"`, "blobs.", ""},
	{"unused blob", `]}]}`, `]},{"sha256":"` + strings.Repeat("f", 64) + `","size":1,"chunks":["` + strings.Repeat("f", 64) + `"]}]}`, "blobs", "nothing uses"},

	{"config is a list", `"config":{"n_layer":3,"rope":{"freq_base":0.5}}`, `"config":[]`, "config", "neither"},
	{"config with a field twice", `"n_layer":3`, `"n_layer":3,"n_layer":4`, "config", "twice"},
	{"config with a space", `"n_layer":3`, `"n_layer": 3`, "config", "canonical"},
	{"config with another number", `0.5`, `0.50`, "config", "canonical"},
	{"config with a large number", `0.5`, `1e999`, "config", "range"},
	{"config too deep", `0.5`, strings.Repeat("[", 20) + strings.Repeat("]", 20), "config", "deep"},
	{"config very deep", `0.5`, strings.Repeat("[", 30000), "config", ""},
	{"config too long", `0.5`, `"` + strings.Repeat("x", 70000) + `"`, "config", ""},
	{"config broken", `"n_layer":3`, `"n_layer":3]`, "config", ""},
	{"config with invalid text", `0.5`, "\"\xff\"", "config", "canonical"},
}

// spoil applies one hostile change.
func spoil(t *testing.T, data, old, new string) string {
	switch {
	case old == "":
		return new
	case old == "OVERLAP":
		at := strings.Index(data, `"offset":`)
		end := at + strings.IndexByte(data[at:], ',')
		first := data[at:end]
		second := end + strings.Index(data[end:], `"offset":`)
		return data[:second] + first + data[second+strings.IndexByte(data[second:], ','):]
	case new == "CUT":
		return data[:strings.Index(data, old)]
	}
	if strings.Contains(old, `"sha256":"00`) { // whatever digits the first blob has
		at := strings.Index(data, `"blobs":[{"sha256":"`)
		return data[:at+20] + data[at+22:]
	}
	if strings.Contains(new, "FIRST") {
		at := strings.Index(data, old) + len(old)
		new = strings.ReplaceAll(new, "FIRST", data[at:at+strings.Index(data[at:], "]}")+2])
	}
	if !strings.Contains(data, old) {
		t.Fatalf("the manifest has no %s", old)
	}
	if strings.HasSuffix(old, `]}]}`) {
		return strings.TrimSuffix(data, old) + new
	}
	return strings.Replace(data, old, new, 1)
}

func TestHostileManifests(t *testing.T) {
	_, path := loadertest.Folder(t, loadertest.Layered())
	sound := string(loadertest.ReadFile(t, path))
	for _, h := range hostileManifests {
		t.Run(h.name, func(t *testing.T) {
			// Under the name that fits its sum, in a folder of its own.
			data := spoil(t, sound, h.old, h.new)
			file := filepath.Join(t.TempDir(), fmt.Sprintf("m.%x.json", sha256.Sum256([]byte(data))))
			if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loader.Open(file)
			var fe *loader.FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("a %T instead of a FormatError: %v", err, err)
			}
			whole := !strings.HasSuffix(h.field, ".")
			if whole && fe.Field != h.field || !strings.HasPrefix(fe.Field, h.field) || !strings.Contains(fe.Reason, h.reason) {
				t.Errorf("%v; want field %q and reason %q", err, h.field, h.reason)
			}
			loadertest.Message(t, err.Error(), file, fe.Field)
		})
	}
	t.Logf("%d hostile manifests", len(hostileManifests))
}

// TestManifestLimits: what is too large is refused before it is read or allocated.
func TestManifestLimits(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m."+strings.Repeat("0", 64)+".json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(manifest.MaxBytes + 1); err != nil {
		t.Fatal(err)
	}
	loadertest.Refusal(t, path, path, "manifest", -1, "the limit is 67108864")

	_, sound := loadertest.Folder(t, loadertest.Layered())
	text := string(loadertest.ReadFile(t, sound))
	at := strings.Index(text, `"tensor_specifics":{`) + len(`"tensor_specifics":{`)
	one := text[at+strings.Index(text[at:], `:{`) : at+strings.Index(text[at:], `}`)+1]
	var b strings.Builder
	b.WriteString(text[:at])
	for i := range 1<<16 + 1 {
		fmt.Fprintf(&b, `"t%d"%s,`, i, one)
	}
	if _, err := manifest.Parse("m", []byte(b.String())); err == nil || !strings.Contains(err.Error(), "more than 65536 tensors") {
		t.Errorf("%v", err)
	}
}

func TestCanonicalConfig(t *testing.T) {
	for _, c := range []struct{ in, want, fault string }{
		{"null", "null", ""},
		{" { } ", "{}", ""},
		{`{"b": 1, "a": [true, false, null, "x<y&z"]}`, `{"b":1,"a":[true,false,null,"x<y&z"]}`, ""},
		{`{"a":1.0,"b":1E5,"c":1e-05,"d":-0,"e":-0.0,"f":1e21,"g":12345678901234567890}`, `{"a":1,"b":100000,"c":0.00001,"d":0,"e":0,"f":1e+21,"g":12345678901234567890}`, ""},
		{`{"a":"\u00e9\u0000\b\t\n\f\r\u000b\"\\\/"}`, `{"a":"é\u0000\b\t\n\f\r\u000b\"\\/"}`, ""},
		{`{"a":1,"a":2}`, "", "twice"},
		{`[]`, "", "neither"},
		{`{} {}`, "", "follows"},
		{`{"a":`, "", "early"},
		{``, "", "early"},
	} {
		got, err := manifest.CanonicalConfig([]byte(c.in))
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: %q, %v; want an error with %q", c.in, got, err, c.fault)
			}
			continue
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%s became %s, %v; want %s", c.in, got, err, c.want)
		}
		if again, err := manifest.CanonicalConfig(got); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s is not a fixed point: %s, %v", got, again, err)
		}
	}
}

// FuzzParse: whatever the bytes, reading them ends in a FormatError of one line
// or in a manifest that is written in the same bytes. Beside the
// seeds here, testdata/fuzz has whole ones and what a run found to reach new code.
func FuzzParse(f *testing.F) {
	_, path := loadertest.Folder(f, loadertest.Layered())
	sound := string(loadertest.ReadFile(f, path))
	f.Add([]byte(sound))
	for _, h := range hostileManifests {
		if h.old != "OVERLAP" && h.old != "" && strings.Contains(sound, h.old) && len(h.new) < 1000 {
			f.Add([]byte(strings.Replace(sound, h.old, h.new, 1)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Parse("fuzz", data)
		if err != nil {
			var fe *loader.FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("a %T instead of a FormatError: %v", err, err)
			}
			if fe.Offset > int64(len(data)) {
				t.Errorf("%v: the offset is not in the manifest of %d bytes", err, len(data))
			}
			loadertest.Message(t, err.Error(), "fuzz", fe.Field)
			return
		}
		again, err := m.Encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("written again it differs: %v", err)
		}
		if m.ID != sha256.Sum256(data) {
			t.Errorf("id %s", m.ID)
		}
		var any map[string]any
		if err := json.Unmarshal(data, &any); err != nil {
			t.Errorf("not JSON: %v", err)
		}
		for _, x := range m.Tensors {
			if b := m.Blob(x.Blob); b == nil || b.Size != x.Size {
				t.Errorf("%s: blob %v", x.Name, b)
			}
		}
	})
}
