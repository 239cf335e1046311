// Package webtest is a small server for the tests of the web app: it answers from
// scripts, slowly where a test wants to stop it, and breaks off where a test wants that.
//
// What an answer is follows from the last message of the user: a script is chosen by its
// name at the beginning ("slow", "drop", "hostile", …). A Server may be used by any number
// of goroutines.
package webtest
