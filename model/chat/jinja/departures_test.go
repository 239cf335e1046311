package jinja

// departures are the cases of expressions.json that are meant to differ, and why.
var departures = map[string]string{
	"{{ -3 ** f }}": "jinja2 folds -3 into a constant and Python then reads -(3 ** f), which is not what its grammar says",
	"{{ \"a\\\nb\" }}{{ 3|default(2)|string ~ 'x' }}{{ n|string + 'x' }}{{ (n|string)[0] }}{{ n.real }}": "numbers have no attributes",
}
