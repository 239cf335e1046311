package conversation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"eclat/model/sample"
)

// What a session is of.
const (
	kindChat = "a conversation"
	kindText = "a text"

	kindBegun = "an answer on its way"
)

// note is what a session's file says besides tokens and memory.
type note struct {
	Kind     string             `json:"kind"`
	System   string             `json:"system,omitempty"`
	Turns    []Turn             `json:"turns,omitempty"`
	Seed     uint64             `json:"seed"`
	Sampling map[string]float64 `json:"sampling,omitempty"` // by sample.Field.JSON
}

// newNote takes up how tokens are chosen.
func newNote(kind string, how *sample.Settings) *note {
	n := &note{Kind: kind, Seed: how.Seed, Sampling: map[string]float64{}}
	for i := range sample.Fields {
		f := &sample.Fields[i]
		if f.Float != nil {
			n.Sampling[f.JSON] = float64(*f.Float(how))
		} else {
			n.Sampling[f.JSON] = float64(*f.Whole(how))
		}
	}
	return n
}

// settings gives how what the note says, but for the fields that are kept.
func (n *note) settings(how *sample.Settings, keep func(field string) bool) error {
	for i := range sample.Fields {
		f := &sample.Fields[i]
		x, ok := n.Sampling[f.JSON]
		if !ok || keep(f.Flag) {
			continue
		}
		if f.Float != nil {
			*f.Float(how) = float32(x)
		} else {
			if x != float64(int32(x)) {
				return fmt.Errorf("its %s is %v", f.JSON, x)
			}
			*f.Whole(how) = int32(x)
		}
		if err := f.Check(how); err != nil {
			return fmt.Errorf("its %s: %w", f.JSON, err)
		}
	}
	if !keep("seed") {
		how.Seed = n.Seed
	}
	return nil
}

// readNote reads a note of some kind.
func readNote(data []byte, kind string) (*note, error) {
	n := new(note)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(n); err != nil {
		return nil, errors.New("its note is none of a session's")
	}
	if n.Kind != kind {
		return nil, &KindError{n.Kind, kind}
	}
	return n, nil
}

// KindError says that a session is of something else than what is to go on.
type KindError struct{ Is, Want string }

func (e *KindError) Error() string {
	return fmt.Sprintf("it is the session of %.40s, not of %s", e.Is, e.Want)
}
