package admin

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"eclat/loader/fragment"
	"eclat/serve/core"
)

// fragments are a fragments folder's blobs, and what a check found of them.
type fragments struct {
	Manifest string   `json:"manifest"`
	Total    int      `json:"total"`    // blobs
	Verified int      `json:"verified"` // whose sums were computed, and are right
	Damaged  []string `json:"damaged"`  // their names, the missing ones too
}

// verify checks every sum of the fragments folder that a model comes from.
func (a *admin) verify(x *core.Exchange) error {
	o, err := x.Fields()
	if err != nil {
		return err
	}
	name := o.Text("model", maxName)
	if err := o.End(); err != nil {
		return err
	}
	info, err := x.Models.Lookup(name)
	if err != nil {
		return err
	}
	if !isManifest(info.Path) {
		return core.Wrong("model", "is %.60q, which comes from no fragments folder: a GGUF file has no sums to check", info.Name)
	}
	return a.run(x, func(ctx context.Context, p *progress, tell func(v any)) error {
		p.say("Summing the blobs of " + info.Name)
		r, err := fragment.Verify(ctx, info.Path, nil, fragment.Options{Progress: p.set})
		if path := (*fs.PathError)(nil); errors.As(err, &path) { // no folder is named to clients
			err = path.Err
		}
		if err != nil {
			return err
		}
		found := fragments{Manifest: "sha256:" + r.ID.String(), Total: r.Blobs, Damaged: []string{}}
		for _, bad := range r.Problems {
			if name := bad.Blob.String(); !slices.Contains(found.Damaged, name) {
				found.Damaged = append(found.Damaged, name)
			}
		}
		found.Verified = found.Total - len(found.Damaged)
		a.mu.Lock()
		a.verified[info.Path] = found
		a.mu.Unlock()
		tell(map[string]fragments{"verified": found})
		return nil
	})
}

// fragmentsOf are those of a model that is loaded, nil for one of a GGUF file. Sums that
// nobody computed are not verified, though the sizes were looked at.
func (a *admin) fragmentsOf(m *core.Model) *fragments {
	man := m.Engine.Model.File.Manifest()
	if man == nil {
		return nil
	}
	a.mu.Lock()
	found, ok := a.verified[m.Path]
	a.mu.Unlock()
	if id := "sha256:" + man.ID.String(); !ok || found.Manifest != id {
		found = fragments{Manifest: id, Total: len(man.Blobs), Damaged: []string{}}
		if m.Verified {
			found.Verified = found.Total
		}
	}
	return &found
}
