// Package safemath multiplies and adds sizes that come from outside, such as the
// counts and dimensions in a file's header, and says when there is no answer.
// Everything in it is a pure function.
package safemath
