package admin

import (
	"net/http"

	"eclat/serve/core"
)

// load has a model loaded, and does not wait for it.
func (a *admin) load(x *core.Exchange) error { return a.named(x, x.Models.Load) }

// unload unloads a model that no request uses.
func (a *admin) unload(x *core.Exchange) error { return a.named(x, x.Models.Unload) }

// named does something to the model that a request names, and answers as llama.cpp's
// server does.
func (a *admin) named(x *core.Exchange, do func(name string) error) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	name := o.Text("model", maxName)
	if !o.Has("model") || name == "" {
		o.Failf("model", "is missing")
	}
	if err := o.End(); err != nil {
		return err
	}
	if err := do(name); err != nil {
		return err
	}
	return x.JSON(map[string]bool{"success": true})
}

// missing is the answer where the server may not do a thing.
func missing(what string) error {
	return core.Errorf(http.StatusNotImplemented, "this server does not %s", what)
}
