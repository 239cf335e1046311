// Package stop finds stop strings in text as it is generated, wherever tokens end.
//
// A Matcher is fed bytes in pieces and gives back text: what can no longer be the
// beginning of a stop string, in complete characters. The first stop string to be
// complete ends the text, whatever the pieces were; of several that end together it is
// the longest. It belongs to one goroutine and compiles nothing but its strings.
package stop
