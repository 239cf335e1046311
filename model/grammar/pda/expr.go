package pda

import "eclat/model/grammar/regular"

// Op says what an Expr is.
type Op uint8

const (
	Text   Op = iota // the bytes of Text
	Chars            // one character of Set, in UTF-8
	Auto             // a string that DFA accepts, in UTF-8
	JSON             // a string that DFA accepts, spelled as between the quotes of a JSON string
	Seq              // all Kids, one after another; none: the empty string
	Alt              // one of Kids
	Repeat           // Kids[0], Min to Max times (Max < 0: no limit), Sep between two of them
	List             // Kids in order, those with Need false may be left out, Sep between two present
	Ref              // the rule number Rule
)

// Expr is one expression. The fields used are those Op names. In a Repeat with Sep, and in
// a List, no kid may be empty. An Expr is not changed by Compile and may stand in several
// places.
type Expr struct {
	Op       Op
	Text     string
	Set      regular.Set
	DFA      *regular.DFA
	Kids     []*Expr
	Min, Max int
	Sep      *Expr
	Need     []bool
	Rule     int
}

// Rule is a named expression.
type Rule struct {
	Name string
	Expr *Expr
}

// Lit is the bytes of s.
func Lit(s string) *Expr { return &Expr{Op: Text, Text: s} }

// Cat is its arguments one after another.
func Cat(kids ...*Expr) *Expr { return &Expr{Op: Seq, Kids: kids} }

// Or is one of its arguments.
func Or(kids ...*Expr) *Expr {
	if len(kids) == 1 {
		return kids[0]
	}
	return &Expr{Op: Alt, Kids: kids}
}

// Times is x, min to max times; max < 0: no limit.
func Times(x *Expr, min, max int) *Expr {
	return &Expr{Op: Repeat, Kids: []*Expr{x}, Min: min, Max: max}
}
