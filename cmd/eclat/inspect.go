package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/loader"
	"eclat/loader/manifest"
	"eclat/model"
	"eclat/model/arch"
)

func newInspect() *cobra.Command {
	var asJSON, plan, check bool
	var cache cacheFlags
	var moe string
	cmd := &cobra.Command{
		Use:   "inspect [MODEL]",
		Short: "Show what a model file holds",
		Long: `Show a model's architecture, configuration, memory and tensors.

Shapes are in elements, innermost dimension first. The bytes of a row are given
beside them: a quantised row of 5120 elements may take 2880 bytes. Only the header
is read, so this takes no longer for a large file.

With --plan every step that the model computes is shown instead, with the shapes
of what it reads and writes; layers that are alike are shown once. --cpu-moe says
which of the steps are the CPU's when a model is run with it.

With --check all weights are read instead. Each block with a scale, a minimum or a
weight that is NaN or an infinity is listed, a line each; the exit code is 3 then.`,
		Example: `  eclat inspect model.gguf
  eclat inspect model.gguf --plan
  eclat inspect model.gguf --check
  eclat inspect model.gguf --json | jq .config`,
		Args:              atMostOneModel,
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if plan && asJSON || check && (plan || asJSON) {
				return usagef("--plan, --json and --check exclude each other")
			}
			apart := math.MaxInt
			if n, err := strconv.Atoi(moe); moe != "all" {
				if apart = n; err != nil || n < 0 {
					return usagef("--cpu-moe %.20q is not a number or all; a number follows an equals sign", moe)
				}
			}
			f, err := openFile(args)
			if err != nil {
				return err
			}
			defer f.Close()
			if check {
				return inspectCheck(cmd.Context(), f)
			}
			return cache.named(loader.Guard(func() error { return inspect(f, asJSON, plan, &cache, apart) }))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&plan, "plan", false, "show every step that the model computes")
	cmd.Flags().StringVar(&moe, "cpu-moe", "0", "with --plan: show the experts of =N first layers, or of all, on the CPU")
	cmd.Flags().Lookup("cpu-moe").NoOptDefVal = "all"
	cmd.Flags().BoolVar(&check, "check", false, "look for weights that are no finite numbers")
	cache.add(cmd)
	return cmd
}

// inspect prints what is known of a file.
func inspect(f *loader.File, asJSON, plan bool, cache *cacheFlags, apart int) error {
	// What cannot be run can still be looked at. That a sound file is of an
	// unsupported kind is worth a line; an unsound one fails in the end.
	m, why := arch.Open(f)
	if plan && why != nil {
		return why
	}
	if u := (model.UnsupportedError{}); errors.As(why, &u) {
		out.Error("this model cannot be run: " + describe(why))
		why = nil
	}
	if m != nil {
		if _, err := m.Describe(m.Whole(), cache.room()); err != nil {
			return err
		}
	}
	if plan {
		return inspectPlan(stdout, m, cache.room(), apart)
	}
	show := inspectText
	if asJSON {
		show = inspectJSON
	}
	if err := show(stdout, f, m, cache); err != nil {
		return err
	}
	return why
}

func inspectJSON(w io.Writer, f *loader.File, m *model.Model, cache *cacheFlags) error {
	shown := struct {
		File         string                        `json:"file"`
		FileBytes    int64                         `json:"file_bytes"`
		Manifest     manifest.Sum                  `json:"manifest,omitzero"` // id of the manifest of a fragments folder
		Missing      []string                      `json:"missing,omitempty"` // fragments that the folder lacks
		Architecture string                        `json:"architecture"`
		Config       *model.Config                 `json:"config"` // null where the model cannot be run
		Parameters   int                           `json:"parameters"`
		WeightBytes  int64                         `json:"weight_bytes"`
		KVTokenBytes int64                         `json:"kv_bytes_per_token"`
		Metadata     map[string]any                `json:"metadata"`
		Tensors      map[string]manifest.Specifics `json:"tensor_specifics"`
	}{
		File: f.Path, FileBytes: f.Size, Architecture: architecture(f),
		Metadata: map[string]any{}, Tensors: map[string]manifest.Specifics{},
	}
	if man := f.Manifest(); man != nil {
		shown.Manifest, shown.Missing = man.ID, f.Missing()
	}
	shown.Parameters, shown.WeightBytes = weights(f)
	if m != nil {
		shown.Config = &m.Config
		shown.KVTokenBytes = m.PositionBytes(cache.keys.CacheType, cache.values.CacheType)
	}
	for _, key := range f.Keys {
		v, _ := f.Get(key)
		if v.Type == loader.Array && v.Len > longArray {
			shown.Metadata[key] = fmt.Sprintf("%d × %s", v.Len, v.Elem)
			continue
		}
		shown.Metadata[key] = printable(v.Any(longArray))
	}
	for _, t := range f.Tensors {
		shown.Tensors[t.Name] = t.Specifics()
	}
	return out.JSON(w, shown, true)
}

// longArray is the length above which an array is described instead of printed.
const longArray = 16

// printable keeps JSON possible: it has no NaN and no infinity.
func printable(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Sprint(v)
		}
	case []any:
		for i := range v {
			v[i] = printable(v[i])
		}
	}
	return v
}

func architecture(f *loader.File) string {
	v, _ := f.Get("general.architecture")
	s, _ := v.Str()
	return s
}

// weights returns the number of elements and of bytes in all tensors.
func weights(f *loader.File) (elems int, bytes int64) {
	for _, t := range f.Tensors {
		elems += t.Elems()
		bytes += t.Size
	}
	return elems, bytes
}

func inspectText(w io.Writer, f *loader.File, m *model.Model, cache *cacheFlags) error {
	elems, bytes := weights(f)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	out.Fprintf(t, "file\t%s\n", f.Path)
	out.Fprintf(t, "format\tGGUF v%d, %d metadata keys, %d tensors\n", f.Version, len(f.Keys), len(f.Tensors))
	if man := f.Manifest(); man != nil {
		out.Fprintf(t, "manifest\t%s, %d fragments, %d blobs\n", man.ID, len(man.Fragments), len(man.Blobs))
		if missing := f.Missing(); len(missing) > 0 {
			out.Fprintf(t, "missing\t%s\n", strings.Join(missing, ", "))
		}
	}
	out.Fprintf(t, "architecture\t%.100q\n", architecture(f))
	out.Fprintf(t, "weights\t%s elements in %s (%.2f bits each)\n", count(elems), mib(bytes), float64(bytes)*8/float64(max(1, elems)))
	if m != nil {
		inspectConfig(t, m, cache)
	}
	t.Flush()
	if m != nil {
		inspectHeads(w, f, &m.Config)
	}
	out.Fprintf(w, "\n")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	out.Fprintf(t, "TENSOR\tTYPE\tSHAPE (elements)\tROW BYTES\tBYTES\n")
	for _, x := range f.Tensors {
		out.Fprintf(t, "%s\t%s\t%s\t%d\t%d\n", x.Name, x.Type, model.Shape(x.Dims...), x.RowBytes, x.Size)
	}
	return t.Flush()
}

func inspectConfig(t io.Writer, m *model.Model, cache *cacheFlags) {
	c := &m.Config
	out.Fprintf(t, "name\t%.100q\n", c.Name)
	drafts := ""
	if c.NDraft > 0 {
		drafts = fmt.Sprintf(", and %d behind them that draft tokens and are not run", c.NDraft)
	}
	out.Fprintf(t, "layers\t%d%s\n", c.NLayer, drafts)
	out.Fprintf(t, "n_embd\t%d\n", c.NEmbd)
	out.Fprintf(t, "n_ff\t%d\n", c.NFF)
	out.Fprintf(t, "vocabulary\t%d tokens\n", c.NVocab)
	out.Fprintf(t, "context\t%d tokens\n", c.NCtx)
	out.Fprintf(t, "rms_eps\t%g\n", c.RMSEps)
	r := c.Rope
	out.Fprintf(t, "rope\t%d of %d elements a head, base %g, scaling %s", r.Dims, c.HeadDimK, r.FreqBase, r.Scaling)
	if r.Factor != 1 {
		out.Fprintf(t, " × %g", r.Factor)
	}
	out.Fprintf(t, "\n")
	token, kept := m.PositionBytes(cache.keys.CacheType, cache.values.CacheType), cache.keys.String()
	if cache.keys != cache.values {
		kept += ", " + cache.values.String()
	}
	out.Fprintf(t, "key–value memory\t%d bytes a token (%s); %s at %d tokens\n", token, kept, mib(token*int64(c.NCtx)), c.NCtx)
	if n := m.StateBytes(); n > 0 {
		out.Fprintf(t, "recurrent state\t%d bytes a sequence (f32), of any length\n", n)
	}
}

// inspectHeads prints how attention divides into heads, and, where their width is
// not n_embd, what else such a model is mistaken for.
func inspectHeads(w io.Writer, f *loader.File, c *model.Config) {
	out.Fprintf(w, "\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	out.Fprintf(t, "HEADS\tCOUNT\tHEAD SIZE\tWIDTH\tn_embd\n")
	for _, h := range []struct {
		name       string
		count, dim int
	}{{"query", c.NHead, c.HeadDimK}, {"key", c.NHeadKV, c.HeadDimK}, {"value", c.NHeadKV, c.HeadDimV}} {
		out.Fprintf(t, "%s\t%d\t%d\t%d\t%d\n", h.name, h.count, h.dim, h.count*h.dim, c.NEmbd)
	}
	t.Flush()
	width := c.NHead * c.HeadDimK
	if k := c.Latent; k != nil {
		kept := "memory keeps each head's"
		if k.Absorbed {
			kept = fmt.Sprintf("memory keeps it and the %d, the key of one head for all", c.Rope.Dims)
		}
		out.Fprintf(w, "\nAttention is latent: keys and values of %d heads come of %d elements, beside %d that rope\nturns; %s. In the model a head has %d elements of keys and %d of values.\n",
			c.NHead, k.Dim, c.Rope.Dims, kept, k.DimK, k.DimV)
		return
	}
	if width == c.NEmbd {
		return
	}
	out.Fprintf(w, "\nAttention is %d × %d = %d elements wide and n_embd is %d. That is sound: attn_q leads\nfrom %d to %d and attn_output back; a head's size is its own, not n_embd / heads.\n",
		c.NHead, c.HeadDimK, width, c.NEmbd, c.NEmbd, width)
	if q := f.Tensor("blk.0.attn_q.weight"); q != nil && q.RowBytes != q.Dims[0] {
		block, bytes := q.Type.Block()
		if block > 1 {
			out.Fprintf(w, "A row of blk.0.attn_q is %d elements = %d blocks of %s × %d bytes = %d bytes. %d is no\nwidth of the model: a tool that shows it as one takes bytes for elements.\n",
				q.Dims[0], q.Dims[0]/block, q.Type, bytes, q.RowBytes, q.RowBytes)
		}
	}
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// count prints a number of elements the way models are spoken of.
func count(n int) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f B", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2f M", float64(n)/1e6)
	}
	return fmt.Sprint(n)
}
