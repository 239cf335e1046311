package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// appendString appends s as a JSON string in its one canonical form.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		case strings.IndexByte("\b\t\n\f\r", c) >= 0:
			b = append(b, '\\', "btn.fr"[c-'\b']) // 0x0b, the vertical tab, has no short form
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(b, '"')
}

// CanonicalConfig rewrites a JSON object, or null, in the form in which it may
// stand as a manifest's config.
func CanonicalConfig(raw []byte) (json.RawMessage, error) {
	if len(raw) > maxConfigBytes {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(raw), maxConfigBytes)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return nil, jsonError(err)
	}
	if t != nil && t != json.Delim('{') {
		return nil, errors.New("neither an object nor null")
	}
	out, err := canonicalValue(d, t, nil, 0)
	if err != nil {
		return nil, jsonError(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	return out, nil
}

// canonicalValue appends the value that begins with token t.
func canonicalValue(d *json.Decoder, t json.Token, b []byte, depth int) ([]byte, error) {
	switch t := t.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, t), nil
	case string:
		return appendString(b, t), nil
	case json.Number:
		return canonicalNumber(b, string(t))
	}
	if depth >= maxConfigDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxConfigDepth)
	}
	object := t == json.Delim('{')
	end := byte(']')
	if object {
		end = '}'
	}
	b = append(b, byte(t.(json.Delim)))
	seen := map[string]bool{}
	for i := 0; d.More(); i++ {
		b = comma(b, i)
		if object {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			key := k.(string) // the decoder lets nothing else be a key
			if seen[key] {
				return nil, fmt.Errorf("the field %.64q appears twice", key)
			}
			seen[key] = true
			b = append(appendString(b, key), ':')
		}
		v, err := d.Token()
		if err != nil {
			return nil, err
		}
		if b, err = canonicalValue(d, v, b, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	return append(b, end), nil
}

// canonicalNumber keeps whole numbers as they are and writes others as the
// shortest decimal that gives the same float64.
func canonicalNumber(b []byte, n string) ([]byte, error) {
	if !strings.ContainsAny(n, ".eE") && n != "-0" {
		return append(b, n...), nil
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %.64s is out of range", n)
	}
	if f == 0 {
		f = 0 // not minus zero
	}
	j, err := json.Marshal(f)
	return append(b, j...), err
}

// jsonError makes an end of input readable.
func jsonError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("it ends too early")
	}
	return err
}
