package jinja

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits bound what a template may cost. Zero means the default.
type Limits struct {
	Source int // bytes of the source; 1 MiB
	Steps  int // nodes evaluated, elements and bytes handled; 4 million
	Depth  int // brackets, blocks, macro calls and values within each other; 200
	Memory int // bytes of all strings, lists and dictionaries made, live or not; 64 MiB
	Output int // bytes of text; 16 MiB
}

// maxEval bounds how deep the walk itself may go, of which each step costs stack.
const maxEval = 10000

func (l Limits) orDefault() Limits {
	set := func(n *int, d int) {
		if *n <= 0 {
			*n = d
		}
	}
	set(&l.Source, 1<<20)
	set(&l.Steps, 4_000_000)
	set(&l.Depth, 200)
	set(&l.Memory, 64<<20)
	set(&l.Output, 16<<20)
	return l
}

var (
	// ErrLimit says that a template went beyond one of its Limits.
	ErrLimit = errors.New("limit of a template exceeded")
	// ErrRaised says that the template itself refused, with raise_exception.
	ErrRaised = errors.New("raised by the template")
)

// Error is what is wrong with a template or its rendering.
type Error struct {
	Line int // of the source, from 1; 0 where there is none
	Msg  string
	Err  error // ErrLimit, ErrRaised, the context's error, or nil
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return "chat template: " + e.Msg
	}
	return fmt.Sprintf("chat template, line %d: %s", e.Line, e.Msg)
}

func (e *Error) Unwrap() error { return e.Err }

// caught turns a panic with *Error into an error. Any other panic goes on.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

// machine is one rendering.
type machine struct {
	ctx    context.Context
	lim    Limits
	now    time.Time
	line   int // of the node at work
	steps  int
	memory int
	depth  int // of the walk
	calls  int // macros and recursive loops within each other
	nest   int // values within each other while one is compared or written
	polled int // steps at the last look at ctx
}

func (m *machine) fail(format string, a ...any) {
	panic(&Error{Line: m.line, Msg: fmt.Sprintf(format, a...)})
}

func (m *machine) exceeded(format string, a ...any) {
	panic(&Error{Line: m.line, Msg: fmt.Sprintf(format, a...), Err: ErrLimit})
}

// step counts one node or element.
func (m *machine) step() { m.work(0) }

// work counts a step that looks at n bytes.
func (m *machine) work(n int) {
	m.steps += 1 + n>>6
	if m.steps > m.lim.Steps {
		m.exceeded("more than %d steps", m.lim.Steps)
	}
	if m.steps-m.polled >= 1024 {
		m.polled = m.steps
		if err := m.ctx.Err(); err != nil {
			panic(&Error{Line: m.line, Msg: err.Error(), Err: err})
		}
	}
}

// alloc counts n bytes that are about to be made.
func (m *machine) alloc(n int) {
	if n < 0 || n > m.lim.Memory-m.memory {
		m.exceeded("more than %d bytes of memory", m.lim.Memory)
	}
	m.memory += n
	m.work(n >> 2)
}

// allocN counts n things of size bytes each.
func (m *machine) allocN(n, size int) {
	if n < 0 || n > m.lim.Memory/size {
		m.exceeded("more than %d bytes of memory", m.lim.Memory)
	}
	m.alloc(n * size)
}

// enter counts a value within another; leave ends it.
func (m *machine) enter() {
	m.step()
	if m.nest++; m.nest > m.lim.Depth {
		m.exceeded("values are nested more than %d deep", m.lim.Depth)
	}
}

func (m *machine) leave() { m.nest-- }
