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

// CutLayer splits the name of a layer's tensor, such as blk.3.attn_q.weight, into
// the layer and the rest. Of any other name the layer is −1 and the rest the name.
func CutLayer(name string) (layer int, rest string) {
	after, ok := strings.CutPrefix(name, "blk.")
	no, rest, _ := strings.Cut(after, ".")
	n, err := strconv.Atoi(no)
	if !ok || err != nil || n < 0 || n >= maxLayer || strconv.Itoa(n) != no {
		return -1, name
	}
	return n, rest
}

// LayerOf returns the layer that a tensor of that name belongs to, −1 for none.
func LayerOf(name string) int {
	layer, _ := CutLayer(name)
	return layer
}

// FragmentsOf assigns tensors to fragments by their names. Where the embedding
// serves as output matrix too, it is part of both.
func FragmentsOf(tensors []Tensor) []Fragment {
	tied := !slices.ContainsFunc(tensors, func(t Tensor) bool { return t.Name == "output.weight" })
	header, embed, head := Fragment{Name: HeaderFragment}, Fragment{Name: EmbedFragment}, Fragment{Name: HeadFragment}
	layers := map[int]*Fragment{}
	for _, t := range tensors {
		first, _, _ := strings.Cut(t.Name, ".")
		layer := LayerOf(t.Name)
		switch {
		case layer >= 0:
			if layers[layer] == nil {
				layers[layer] = &Fragment{Name: LayerFragment(layer)}
			}
			layers[layer].Tensors = append(layers[layer].Tensors, t.Name)
		case strings.HasPrefix(first, "token_embd"), first == "position_embd", first == "token_types":
			embed.Tensors = append(embed.Tensors, t.Name)
			if tied && t.Name == "token_embd.weight" {
				head.Tensors = append(head.Tensors, t.Name)
			}
		case first == "output", strings.HasPrefix(first, "output_"):
			head.Tensors = append(head.Tensors, t.Name)
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
