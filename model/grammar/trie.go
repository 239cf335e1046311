package grammar

import (
	"bytes"
	"math"
	"slices"

	"eclat/model/grammar/pda"
)

// trie is byte strings as a tree in preorder: the nodes below a node follow it, up to skip.
// Node 0 is the root, the empty string. One more node ends the list.
type trie struct {
	nodes []trieNode
	text  []pda.Classes // by node: what the bytes to it are, as text
	below []pda.Classes // by node: what its tokens go on with, as text; 0 for nothing
	ids   []int32       // the tokens, by node
	deep  int           // bytes of the longest
}

type trieNode struct {
	skip  int32  // the first node that is not below this one
	ids   int32  // ids[ids:next node's ids] are the tokens that end here
	depth uint16 // bytes from the root
	b     byte   // the last of them
	chars uint8  // the most characters that its tokens go on with, where these are text
}

// newTrie makes the trie of tokens[id] for each of ids, none of them empty. It sorts ids.
func newTrie(tokens [][]byte, ids []int32) *trie {
	slices.SortFunc(ids, func(a, b int32) int {
		if c := bytes.Compare(tokens[a], tokens[b]); c != 0 {
			return c
		}
		return int(a - b)
	})
	t := &trie{ids: ids, nodes: []trieNode{{}}, text: []pda.Classes{0}, below: []pda.Classes{pda.NoText}}
	var open []int32 // the node at each depth from 1 of the last token
	shut := func(depth int) {
		for ; len(open) > depth; open = open[:len(open)-1] {
			t.nodes[open[len(open)-1]].skip = int32(len(t.nodes))
		}
	}
	var last []byte
	var ends []end // of the token, from each byte on
	for i, id := range ids {
		s := tokens[id]
		same := 0
		for same < len(s) && same < len(last) && s[same] == last[same] {
			same++
		}
		shut(same)
		for d := same; d < len(s); d++ {
			open = append(open, int32(len(t.nodes)))
			t.nodes = append(t.nodes, trieNode{ids: int32(i), depth: uint16(d + 1), b: s[d]})
			t.text = append(t.text, pda.NoText)
			t.below = append(t.below, 0)
		}
		for d, k := 0, pda.Classes(0); d < len(s); {
			class, size := pda.ClassOf(s[d:])
			k, d = k|class, d+size
			t.text[open[d-1]] = k
		}
		ends = behind(ends, s)
		for d, node := range open {
			t.below[node] |= ends[d+1].classes
			t.nodes[node].chars = max(t.nodes[node].chars, ends[d+1].chars)
		}
		t.deep = max(t.deep, len(s))
		last = s
	}
	// A node made on the way to a token begins its ids there; its own come first.
	shut(0)
	t.nodes[0].skip = int32(len(t.nodes))
	t.nodes = append(t.nodes, trieNode{ids: int32(len(ids))})
	return t
}

// end is what a token goes on with behind one of its bytes: text of these classes, and so many
// characters. NoText is among them where some is no text, or there are more.
type end struct {
	classes pda.Classes
	chars   uint8
}

// behind returns the ends of s from each byte on, the empty one too, in the memory of dst.
func behind(dst []end, s []byte) []end {
	dst = slices.Grow(dst[:0], len(s)+1)[:len(s)+1]
	dst[len(s)] = end{}
	for i := len(s) - 1; i >= 0; i-- {
		k, size := pda.ClassOf(s[i:])
		rest := dst[i+size]
		dst[i] = end{k | rest.classes, rest.chars + 1}
		if rest.chars == math.MaxUint8 {
			dst[i] = end{pda.NoText, math.MaxUint8}
		}
	}
	return dst
}
