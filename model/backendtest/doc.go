// Package backendtest runs the conformance suite as Go tests, on a backend that the
// caller knows how to open, and opens models for tests. Each case opens backends of its own and closes them, so
// nothing is shared between cases.
package backendtest
