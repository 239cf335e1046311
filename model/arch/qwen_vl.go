package arch

import "eclat/model"

// The text side of the Qwen models that see. A token of theirs has places on three axes,
// which are one in a text: there they are qwen2, qwen3 and qwen3moe, as long as
// rope.dimension_sections leave no pair to a fourth axis. Images are not read.

var qwen2vl = architecture{
	name:  "qwen2vl",
	read:  func(r *reader) model.Config { return r.sectioned(qwen2, false) },
	build: qwen2.build,
}

var qwen3vl = architecture{
	name:  "qwen3vl",
	read:  func(r *reader) model.Config { return r.sectioned(qwen3, true) },
	build: qwen3.build,
}

var qwen3vlmoe = architecture{
	name:  "qwen3vlmoe",
	read:  func(r *reader) model.Config { return r.sectioned(qwen3moe, true) },
	build: qwen3moe.build,
}

// sectioned reads what the family of text reads, and the sections.
func (r *reader) sectioned(text architecture, interleaved bool) model.Config {
	const key = "rope.dimension_sections"
	c := text.read(r)
	if !r.has(key) {
		r.fail(key, "the key is missing")
	}
	r.textSections(c.Rope.Dims/2, interleaved)
	return c
}

// textSections refuses sections of positions by which a text's tokens would not be turned
// by their place alone. Pair i belongs to sector s = i mod Σsections. Interleaved, that
// belongs to axis s mod 3 while it is below three of the axis' sections, else to the first
// axis whose sections it is among. The fourth axis is 0 in a text.
func (r *reader) textSections(pairs int, interleaved bool) {
	const key = "rope.dimension_sections"
	v, ok := r.file.Get(r.key(key))
	if !ok || r.err != nil {
		return
	}
	u, ok := v.Uints()
	if !ok || len(u) < 3 || len(u) > 4 {
		r.fail(key, "not three or four numbers")
		return
	}
	var sum uint64
	for _, n := range u {
		if n > maxWidth {
			r.fail(key, "%d is above %d", n, maxWidth)
			return
		}
		sum += n
	}
	for i := range uint64(pairs) {
		turned := sum > 0
		if s := i % max(1, sum); interleaved {
			turned = turned && s < 3*u[s%3]
		} else {
			turned = turned && s < u[0]+u[1]+u[2]
		}
		if !turned {
			r.unsupported(key, "%v leave pairs of the %d that no text turns", u, pairs)
			return
		}
	}
}
