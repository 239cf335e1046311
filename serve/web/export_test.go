package web

import (
	"net/http"
	"testing"
)

// RealServer makes a whole server of the built-in model, whose requests need the key where
// there is one; idle waits until no request is at work. It is set by a test package of its
// own, as the server has this package in it.
var RealServer func(t *testing.T, key string) (h http.Handler, idle func())
