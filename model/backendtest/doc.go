// Package backendtest runs the conformance suite as Go tests, on a backend that the
// caller knows how to open. Each case opens backends of its own and closes them, so
// nothing is shared between cases. It opens models for tests, and puts what a test wants
// around a device's runs.
package backendtest
