package gpu

import (
	"fmt"
	"runtime"
	"sync"

	"eclat/gpu/lower"
	"eclat/gpu/vk"
)

// pipelineKey names what a dispatch's pipeline is compiled from.
func pipelineKey(d *lower.Dispatch) string { return fmt.Sprint(d.Kernel, d.Spec, d.Subgroup) }

// compileAll compiles the pipelines that are missing, several at a time: drivers
// take tens of milliseconds for each. Those that fail are left for pipeline to
// report.
func (b *Backend) compileAll(groups []lower.Group) {
	missing := map[string]*lower.Dispatch{}
	for _, g := range groups {
		for i := range g.Dispatches {
			d := &g.Dispatches[i]
			if key := pipelineKey(d); b.pipes[key] == nil {
				missing[key] = d
			}
		}
	}
	done := int64(0)
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, min(8, runtime.GOMAXPROCS(0)))
	for key, d := range missing {
		slots <- struct{}{}
		wg.Go(func() {
			p, err := b.newPipeline(d)
			mu.Lock()
			if err == nil {
				b.pipes[key] = p
			}
			if done++; b.info.Type != vk.Software { // which has most of the work still before it: warm tells
				b.progress("kernels", done, int64(len(missing)))
			}
			mu.Unlock()
			<-slots
		})
	}
	wg.Wait()
}

// pipeline returns the pipeline of a dispatch, compiled where that is still to do.
func (b *Backend) pipeline(d *lower.Dispatch) (*vk.Pipeline, error) {
	key := pipelineKey(d)
	if p := b.pipes[key]; p != nil {
		return p, nil
	}
	p, err := b.newPipeline(d)
	if err == nil {
		b.pipes[key] = p
	}
	return p, err
}

func (b *Backend) newPipeline(d *lower.Dispatch) (*vk.Pipeline, error) {
	if err := b.fault("pipeline", d.Kernel); err != nil {
		return nil, err
	}
	return b.dev.NewPipeline(d.Kernel, b.spirv(d), layoutOf(d), d.Spec, d.Subgroup)
}

func layoutOf(d *lower.Dispatch) vk.Layout {
	v := d.Variant
	return vk.Layout{Storage: v.Storage, Texel: v.Texel, PushWords: v.PushWords}
}

// spirv is what a dispatch's pipeline is compiled from.
func (b *Backend) spirv(d *lower.Dispatch) []byte {
	if b.opt.spirv != nil {
		return b.opt.spirv(d.Kernel, d.SPIRV)
	}
	return d.SPIRV
}
