package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"eclat/cmd/eclat/out"
	"eclat/engine"
	"eclat/loader"
)

// Exit codes.
const (
	exitFailed = 1   // anything not below
	exitUsage  = 2   // wrong flags or arguments
	exitModel  = 3   // the model file is bad
	exitDevice = 4   // no such device, not enough memory on it, or the device was lost
	exitSignal = 128 // plus the signal's number: 130 after Ctrl-C
)

// grace is how long a command may take to end by itself after Ctrl-C. It may sit in
// a read of a silent pipe or in a driver; the program ends all the same, within a
// second on a busy machine too.
const grace = 600 * time.Millisecond

// service is how long, in nanoseconds, a command that runs until it is interrupted may take
// to end, which is then no failure; 0 for all other commands.
var service atomic.Int64

// stdout is what all commands write their answers to; main flushes it and asks for
// its error.
var stdout = out.NewWriter(os.Stdout)

func main() { os.Exit(program()) }

// program runs the command that the arguments name and returns its exit code.
func program() int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup has said so
		signal.Notify(signals, syscall.SIGHUP)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := newRoot().ExecuteContext(ctx)
		if f := stdout.Flush(); err == nil {
			err = f
		}
		done <- err
	}()
	select {
	case err := <-done:
		return ended(err)
	case sig := <-signals:
		cancel()
		return interruptedBy(sig, signals, done)
	}
}

// ended reports how a command ended that nobody interrupted.
func ended(err error) int {
	switch {
	case err == nil:
		return 0
	case out.Closed(err): // nobody is there to read it
		return exitFailed
	}
	out.Error(describe(err))
	return exitCode(err)
}

// interruptedBy gives the command time to end and to print what it has, and ends
// the program: at once at a second signal.
func interruptedBy(sig os.Signal, signals <-chan os.Signal, done <-chan error) int {
	var err error
	serving := time.Duration(service.Load())
	late := time.After(max(grace, serving))
	select {
	case err = <-done:
		if serving > 0 {
			return ended(err)
		}
	case <-signals:
	case <-late:
		flushed := make(chan struct{})
		go func() { stdout.Flush(); close(flushed) }() // a full pipe may block it
		select {
		case <-flushed:
		case <-time.After(100 * time.Millisecond):
		}
	}
	var known interruptedError
	switch {
	case errors.As(err, &known):
		out.Error(known.Error())
	case stdout.Any():
		out.Error("interrupted; the output is partial")
	default:
		out.Error("interrupted")
	}
	if n, ok := sig.(syscall.Signal); ok {
		return exitSignal + int(n)
	}
	return exitSignal + int(syscall.SIGINT)
}

// interruptedError says after Ctrl-C what became of the work.
type interruptedError struct{ hint string }

func (e interruptedError) Error() string { return "interrupted; " + e.hint }

// interrupted says after Ctrl-C what to do next.
func interrupted(err error, hint string) error {
	if errors.Is(err, context.Canceled) {
		return interruptedError{hint}
	}
	return err
}

func exitCode(err error) int {
	var (
		format *loader.FormatError
		usage  usageError
	)
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, loader.ErrFault): // of a model too: what the file says is not at fault
		return exitFailed
	case errors.As(err, &format):
		return exitModel
	case errors.Is(err, engine.ErrDevice), errors.Is(err, engine.ErrMemory), errors.Is(err, engine.ErrLost):
		return exitDevice
	}
	return exitFailed
}

// describe is what an error says, without the name of the system call that met it:
// which file, and what is wrong with it. A folder that the user calls DIR/. is DIR.
func describe(err error) string {
	text := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		text = strings.Replace(text, p.Error(), p.Path+": "+p.Err.Error(), 1)
	}
	return strings.ReplaceAll(text, string(filepath.Separator)+".: ", ": ")
}
