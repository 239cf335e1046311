// Package enginetest has models that engines and commands must refuse. It is for
// tests alone; each file that it makes belongs to the test that asked for it.
package enginetest
