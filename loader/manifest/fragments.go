package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Fragment is what a machine is given as one piece: names of tensors.
type Fragment struct {
	Name    string // header, embed, layer-N or head
	Tensors []string
}

// Names of fragments other than LayerFragment's.
const (
	HeaderFragment = "header" // metadata, and tensors that every layer uses, such as rope_freqs
	EmbedFragment  = "embed"
	HeadFragment   = "head"
)

// LayerFragment returns the name of layer n's fragment.
func LayerFragment(n int) string { return fmt.Sprintf("layer-%d", n) }

// maxLayer keeps a hostile layer number an int of reasonable length.
const maxLayer = 1 << 20

// FragmentsOf assigns tensors to fragments by their names. Where the embedding
// serves as output matrix too, it is part of both.
func FragmentsOf(tensors []Tensor) []Fragment {
	tied := !slices.ContainsFunc(tensors, func(t Tensor) bool { return t.Name == "output.weight" })
	header, embed, head := Fragment{Name: HeaderFragment}, Fragment{Name: EmbedFragment}, Fragment{Name: HeadFragment}
	layers := map[int]*Fragment{}
	for _, t := range tensors {
		first, rest, _ := strings.Cut(t.Name, ".")
		switch {
		case strings.HasPrefix(first, "token_embd"), first == "position_embd", first == "token_types":
			embed.Tensors = append(embed.Tensors, t.Name)
			if tied && t.Name == "token_embd.weight" {
				head.Tensors = append(head.Tensors, t.Name)
			}
		case first == "output", strings.HasPrefix(first, "output_"):
			head.Tensors = append(head.Tensors, t.Name)
		case first == "blk":
			no, _, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(no); err == nil && n >= 0 && n < maxLayer && strconv.Itoa(n) == no {
				if layers[n] == nil {
					layers[n] = &Fragment{Name: LayerFragment(n)}
				}
				layers[n].Tensors = append(layers[n].Tensors, t.Name)
				continue
			}
			fallthrough
		default:
			header.Tensors = append(header.Tensors, t.Name)
		}
	}
	out := []Fragment{header}
	if embed.Tensors != nil {
		out = append(out, embed)
	}
	for _, n := range slices.Sorted(maps.Keys(layers)) {
		out = append(out, *layers[n])
	}
	if head.Tensors != nil {
		out = append(out, head)
	}
	return out
}
