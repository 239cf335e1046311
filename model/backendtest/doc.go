// Package backendtest is the conformance suite of model.Backend: every op, every
// type, awkward shapes, each compared with the reference backend. A backend's own
// tests call Run; nothing else imports this package.
package backendtest
