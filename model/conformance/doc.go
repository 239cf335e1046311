// Package conformance is the one suite for every model.Backend: each op, each type,
// awkward shapes, every answer compared with the reference backend's. Tests run
// all of it (package backendtest), and so does the command "eclat doctor" on a
// user's own device.
//
// Cases are made anew by each call of Cases and belong to the caller; a case opens
// and closes the backends it needs, one at a time.
package conformance
