// Package gbnf reads grammars in GBNF, the notation of llama.cpp, into rules for package pda.
//
//	root  ::= item ("," ws item)*      # a comment
//	item  ::= "\"" [^"\\\x00-\x1F]{1,20} "\"" | [0-9]+
//	ws    ::= [ \t\n]?
//
// The rule root is the start. A rule ends with its line, but not inside parentheses, after
// ::= or |, or before a line that begins with |. In "text" and [classes] the escapes are
// \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH, each a character, not a byte. A class
// takes ranges, and ^ in front for all others; . is any character. Behind an item may stand
// * + ? {m} {m,} {m,n}. References to tokens (<[id]>) are not supported and refused.
package gbnf
