package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/loader"
	"eclat/testdata"
)

// openFile opens the model that args name, or the built-in one.
func openFile(args []string) (*loader.File, error) {
	if len(args) == 0 {
		return loader.FromBytes(testdata.ModelName, testdata.Model)
	}
	return loader.Open(args[0])
}

// deviceFlags are the flags of every command that computes.
type deviceFlags struct {
	device     string
	requireGPU bool
	gpuLayers  string
	cpuMoE     string
	context    contextFlag
	threads    int
	cache      cacheFlags
	verify     string // quick or full

	others     peerFlags
	embeddings bool           // that the command will ask for
	draftModel *engine.Engine // see engine.Options; nil for none

	probe func(e *engine.Engine) (engine.ProbeOptions, error) // that the command will open; nil for none
}

// contextFlag is a number of tokens or auto.
type contextFlag int

func (c *contextFlag) Set(s string) error {
	if s == "auto" {
		*c = engine.AutoContext
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<30 {
		return fmt.Errorf("give a number of tokens, or auto")
	}
	*c = contextFlag(n)
	return nil
}

func (c *contextFlag) String() string {
	switch *c {
	case 0:
		return ""
	case engine.AutoContext:
		return "auto"
	}
	return strconv.Itoa(int(*c))
}

func (c *contextFlag) Type() string { return "tokens" }

func (d *deviceFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&d.device, "device", "auto", "auto, gpu, vulkan:N, part of a GPU's name, cpu, or ref (the slow reference)")
	f.BoolVar(&d.requireGPU, "require-gpu", false, "fail rather than run on the CPU")
	f.StringVarP(&d.gpuLayers, "gpu-layers", "g", "auto", "layers on the GPU: a number, all, or auto for as many as fit")
	f.StringVar(&d.cpuMoE, "cpu-moe", "auto", "keep the experts of the first layers on the CPU while the rest is on the GPU: =N of N layers, alone or =all of all, =auto of as few as make it fit")
	f.Lookup("cpu-moe").NoOptDefVal = "all"
	f.VarP(&d.context, "context", "c", fmt.Sprintf("context in tokens, or auto for the longest that fits (default: the model's, at most %d)", engine.DefaultContext))
	f.IntVarP(&d.threads, "threads", "t", 0, "CPU threads (default: one a processor)")
	d.cache.add(cmd)
	f.StringVar(&d.verify, "verify", "quick", "of a fragments folder check the sizes (quick) or every sum (full) before loading")
	d.others.add(cmd)
	cmd.RegisterFlagCompletionFunc("verify", cobra.FixedCompletions([]string{"quick", "full"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("device", cobra.FixedCompletions([]string{"auto", "gpu", "vulkan:0", "cpu", "ref"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("gpu-layers", cobra.FixedCompletions([]string{"auto", "all"}, cobra.ShellCompDirectiveNoFileComp))
}

// check refuses values outside their range.
func (d *deviceFlags) check() error {
	if d.threads < 0 || d.threads > 4096 {
		return usagef("--threads %d is not from 0 to 4096", d.threads)
	}
	if n, err := strconv.Atoi(d.gpuLayers); d.gpuLayers != "auto" && d.gpuLayers != "all" && (err != nil || n < 0) {
		return usagef("--gpu-layers %.20q is not a number, all or auto", d.gpuLayers)
	}
	if n, err := strconv.Atoi(d.cpuMoE); d.cpuMoE != "auto" && d.cpuMoE != "all" && (err != nil || n < 0) {
		return usagef("--cpu-moe %.20q is not a number, all or auto; a number follows an equals sign", d.cpuMoE)
	}
	return d.others.check()
}

// options are the engine's, as the flags say.
func (d *deviceFlags) options() engine.Options {
	return engine.Options{
		Device:     d.device,
		RequireGPU: d.requireGPU,
		GPULayers:  d.gpuLayers,
		CPUMoE:     d.cpuMoE,
		Context:    int(d.context),
		Threads:    d.threads,
		Keys:       d.cache.keys.CacheType,
		Values:     d.cache.values.CacheType,
		Embeddings: d.embeddings,
		Parallel:   1,
		Notice:     out.Notice,
		Probe:      d.probe,
		DraftModel: d.draftModel,
	}
}

// open opens the engine on the model that args name, with a progress bar for
// loading.
func (d *deviceFlags) open(ctx context.Context, args []string) (*engine.Engine, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	f, err := d.others.open(ctx, args)
	if err != nil {
		return nil, err
	}
	return d.openOn(ctx, f)
}

// openOn opens the engine on an open file, which is then the engine's to close.
func (d *deviceFlags) openOn(ctx context.Context, f *loader.File) (*engine.Engine, error) {
	if err := verifyModel(ctx, d.verify, f); err != nil {
		f.Close()
		return nil, err
	}
	var p progress
	o := d.options()
	o.Progress = p.set
	if err := d.others.find(ctx, f, &o); err != nil {
		f.Close()
		return nil, err
	}
	e, err := engine.Open(ctx, f, o)
	p.clear()
	if err != nil {
		return nil, d.cache.named(err)
	}
	if err := ctx.Err(); err != nil {
		e.Close()
		return nil, err
	}
	if n := e.Model.Config.NCtx; e.Context > n {
		out.Noticef("warning: the context of %d tokens is longer than the %d the model was trained for", e.Context, n)
	}
	return e, nil
}

// progress shows what an engine is at before its first answer: a bar for each kind of
// work, one at a time. It may be set from any goroutine.
type progress struct {
	mu   sync.Mutex
	what string
	bar  *out.Bar // nil while there is nothing to show
}

func (p *progress) set(what string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil && (what != p.what || done >= total) {
		p.bar.Clear()
		p.bar = nil
	}
	if done >= total {
		return
	}
	if p.bar == nil {
		label := "compiling " + what
		switch what {
		case "weights":
			label = "loading"
		case "fragments":
			label = "fetching"
		}
		p.what, p.bar = what, out.NewBar(label, what == "weights" || what == "fragments")
	}
	p.bar.Set(done, total)
}

func (p *progress) clear() { p.set("", 0, 0) }
