package jinja

// departures are the cases of expressions.json that are meant to differ, and why.
var departures = map[string]string{}
