// Package conformance is the one suite for every model.Backend: each op, each type,
// each kind of memory, awkward shapes and batches, every answer compared with the
// reference backend's. Tests run all of it (package backendtest), and so does the
// command "eclat doctor" on a user's own device.
//
//	suite.go              what a case is, how it is judged
//	rig.go                a plan with its weights, compiled and run on a backend
//	cast.go               several sequences with their pages, as an engine would keep them
//	ops.go, attention.go, heads.go, conv.go, state.go, experts.go, sample.go   cases of the ops
//	mixed.go              batches of many sequences, program sizes
//	question*.go   small fixed questions, with the hashes of their answers in answers.txt
//	deal.go               one case in so many of each kind
//	behaviour.go, contract.go, pages.go   what a backend must do besides computing right
//
// Cases are made anew by each call of Cases and belong to the caller; a case opens
// and closes the backends it needs, one at a time.
package conformance

//go:generate go test -run TestAnswers -update .
