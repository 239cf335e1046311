// Package goldentest holds a backend to answers worked out by hand, op by op:
// small numbers, written where they are compared. It compares no backend with
// another, so the oracle is tested by it as well.
//
// It is for tests alone. A test opens a backend, which is its own and closed with it;
// tests of different backends may run side by side.
package goldentest
