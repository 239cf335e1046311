// Package pda compiles rules into a pushdown automaton over bytes.
//
// Rules are written as expressions (Expr): text, characters, sequences, alternatives,
// repetitions, references. Compile goes
//
//	check.go   which rules may be empty, which can ever end, which are small
//	build.go   a nondeterministic automaton a rule: bytes, calls, counted repetitions
//	utf8.go    characters as bytes, plain or as JSON spells them in a string
//	subset.go  the subset construction: deterministic between calls
//	free.go    states that take any plain text and stay
//	classes.go what text of some kinds a state takes
//
// and gives a Program, a table of states. Within a rule one byte leads to one state. Where
// rules call one another, or a repetition is counted, a state has actions instead, which
// push a frame; who runs the program keeps a set of threads, each a state and a stack.
// Small rules that do not recurse are built into those that name them, so most grammars
// need a stack for nesting alone.
//
// Two things keep such a run finite. What is called, and what is counted, takes at least
// one byte each time: the empty choice is made by the caller, in build. And no rule may
// reach itself without taking a byte, which Compile refuses as left recursion.
//
// A Program never changes and may be used by any number of goroutines.
package pda
