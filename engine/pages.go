package engine

import (
	"fmt"
	"sync"
)

// pagePool hands out pages of key–value memory.
type pagePool struct {
	mu   sync.Mutex
	free []int32
	size int
}

func newPagePool(n int) *pagePool {
	p := &pagePool{size: n}
	for i := n - 1; i >= 0; i-- {
		p.free = append(p.free, int32(i))
	}
	return p
}

// take returns one page.
func (p *pagePool) take() (int32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return 0, fmt.Errorf("%w: all %d pages of key–value memory are in use", ErrMemory, p.size)
	}
	page := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return page, nil
}

// give takes pages back.
func (p *pagePool) give(pages []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, pages...)
}
