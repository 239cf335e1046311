package schema

import (
	"fmt"

	"eclat/model/grammar/regular"
)

// Days by month, those of February 29 by the leap years.
const (
	date = `([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))` +
		`|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)`
	clock = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`
	octet = `(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
	ipv4  = octet + `(\.` + octet + `){3}`
	h16   = `[0-9a-fA-F]{1,4}`
	ls32  = `(` + h16 + `:` + h16 + `|` + ipv4 + `)`
	label = `[a-zA-Z0-9]([a-zA-Z0-9-]{0,38}[a-zA-Z0-9])?`
	host  = `[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.` + label + `){0,4}`
	atom  = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"
	pchar = `([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})`
)

// formats are the patterns of the formats: the common form of each, which every checker
// takes. Names have at most five parts, the first of at most 63 characters and the others of
// 40, and of an address the part before the @ three of 20, so that the whole stays within the
// limits of the standards.
var formats = map[string]string{
	"date":      date,                                   // RFC 3339, full-date
	"time":      clock,                                  // full-time, without leap seconds
	"date-time": date + `T` + clock,                     // date-time
	"duration":  durations(),                            // RFC 3339, appendix A
	"hostname":  host,                                   // RFC 1123
	"email":     atom + `(\.` + atom + `){0,2}@` + host, // RFC 5321, dot-string
	"ipv4":      ipv4,
	"ipv6": `((` + h16 + `:){6}` + ls32 + // RFC 3986, section 3.2.2
		`|::(` + h16 + `:){5}` + ls32 +
		`|(` + h16 + `)?::(` + h16 + `:){4}` + ls32 +
		`|((` + h16 + `:){0,1}` + h16 + `)?::(` + h16 + `:){3}` + ls32 +
		`|((` + h16 + `:){0,2}` + h16 + `)?::(` + h16 + `:){2}` + ls32 +
		`|((` + h16 + `:){0,3}` + h16 + `)?::` + h16 + `:` + ls32 +
		`|((` + h16 + `:){0,4}` + h16 + `)?::` + ls32 +
		`|((` + h16 + `:){0,5}` + h16 + `)?::` + h16 +
		`|((` + h16 + `:){0,6}` + h16 + `)?::)`,
	"uuid": `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
	// RFC 3986 with a host, or a path alone (mailto:, urn:).
	"uri": `[a-zA-Z][a-zA-Z0-9+.-]*:(//` + host + `(:[0-9]{1,4})?(/` + pchar + `*)*|` + pchar + `+(/` + pchar + `*)*)` +
		`(\?(` + pchar + `|[/?])*)?(#(` + pchar + `|[/?])*)?`,
}

func durations() string {
	const n = `[0-9]{1,9}`
	second := n + `S`
	minute := n + `M(` + second + `)?`
	hour := n + `H(` + minute + `)?`
	clock := `T(` + hour + `|` + minute + `|` + second + `)`
	day := n + `D`
	month := n + `M(` + day + `)?`
	year := n + `Y(` + month + `)?`
	return `P((` + day + `|` + month + `|` + year + `)(` + clock + `)?|` + clock + `|` + n + `W)`
}

func (c *compiler) format(name string) (*regular.DFA, error) {
	pattern, ok := formats[name]
	if !ok {
		return nil, fmt.Errorf("the format %q is not supported", name)
	}
	if d, ok := c.formats[name]; ok {
		return d, nil
	}
	d, err := regular.Compile(`^(` + pattern + `)$`)
	c.formats[name] = d
	return d, err
}
