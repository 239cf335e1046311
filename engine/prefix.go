package engine

import (
	"slices"

	"eclat/model"
)

// index finds pages of prompts that were computed before. It is a tree of whole
// pages: a node is a page, its path from the root the tokens before it. Each caller
// has a root of its own, so nobody reads what another caller wrote; a lookup compares
// the tokens themselves, so equal hashes are no danger.
//
// Where a sequence ends, the page that it was filling is kept too, as a tail: a node like
// others but not full and without children. What goes on from there copies it first.
//
// A state cannot be cut back to the end of a page. Where a model has one, some nodes hold
// a snapshot: the slot as it was after the node's last token. A path is of use as far as
// the last snapshot on it, a tail as a whole. Which nodes get one, sequence.marks says.
type index struct {
	pages          *pages
	nodes          map[pageKey]*node
	roots          map[string]*node
	tails          map[*node][]*node // by the page before, the latest last
	recent, oldest *node             // list by last use
	names          map[string]*node  // those whose name was asked for, see kept.go
	states         bool              // there are pools with a slot a sequence
}

// pageKey finds a page: what comes before it, and its tokens; −1 where a tail has none.
type pageKey struct {
	before *node
	tokens [model.PageLen]int32
}

// node is a page in the index.
type node struct {
	key          pageKey
	caller       string  // of a root
	units        []int32 // by pool; −1 where a window has moved on and the page was needed, or no snapshot is kept
	children     int
	newer, older *node

	kept bool   // all that it holds was kept where it outlives the program
	name string // among what is kept; "" where nobody asked
}

func newIndex(p *pages) *index {
	x := &index{pages: p, nodes: map[pageKey]*node{}, roots: map[string]*node{}, tails: map[*node][]*node{}, names: map[string]*node{}}
	for _, k := range p.kinds {
		x.states = x.states || k.Per == model.Sequence
	}
	return x
}

// find gives q the longest run of pages that begins its prompt, at most to leave one
// token to run, and says how many tokens they are. q holds no memory yet.
func (x *index) find(q *sequence) int {
	if q.stored > 0 {
		return 0
	}
	most := min(q.r.Share, len(q.tokens))
	if x.states { // the last token has to run for its answer, and would run twice through a state
		most = min(most, len(q.tokens)-1)
		q.mark(most / model.PageLen * model.PageLen)
	}
	at := x.roots[q.r.Caller]
	if at == nil {
		return 0
	}
	var path []*node
	for len(path) < most/model.PageLen {
		next := x.nodes[pageKey{at, page(q.tokens, len(path))}]
		if next == nil {
			break
		}
		path, at = append(path, next), next
	}
	if branch := len(path) * model.PageLen; x.states && branch > 0 {
		q.mark(branch) // where others may branch off too
	}
	tail, n := x.findTail(at, path, q.tokens[:min(most, len(q.tokens)-1)])
	for tail == nil && len(path) > 0 && !x.seen(path, true) {
		path = path[:len(path)-1]
	}
	if len(path)+n == 0 {
		return 0
	}
	q.units = make([][]int32, len(x.pages.kinds))
	for pool, k := range x.pages.kinds {
		if k.Per == model.Sequence { // q takes a copy before it writes
			if tail == nil {
				u := path[len(path)-1].units[pool]
				x.pages.hold(pool, u)
				q.units[pool] = append(q.units[pool], u)
			}
			continue
		}
		from := k.FirstSeen(len(path)*model.PageLen-1) / model.PageLen
		for i, n := range path {
			u := n.units[pool]
			if i < from {
				u = -1
			} else {
				x.pages.hold(pool, u)
			}
			q.units[pool] = append(q.units[pool], u)
		}
	}
	if tail != nil {
		for pool, u := range tail.units {
			x.pages.hold(pool, u)
			q.units[pool] = append(q.units[pool], u)
		}
		x.use(tail)
		q.tail = tail
	}
	for _, n := range slices.Backward(path) { // parents are used later than children, so they are given up later
		x.use(n)
	}
	if len(path) > 0 {
		q.shared, q.pages = path[len(path)-1], len(path)
		q.shared.children++ // a sequence stands on it
	}
	// The last token has to run for its answer; where it is the end of a shared page
	// the page is copied before that.
	q.stored = min(len(path)*model.PageLen+n, len(q.tokens)-1)
	return q.stored
}

// mostTails is how many tails after one page are looked at, the latest first.
const mostTails = 64

// findTail returns the tail after a path, which ends at a node, that has most of the tokens
// that follow in common with the given ones, and how many.
func (x *index) findTail(at *node, path []*node, tokens []int32) (tail *node, common int) {
	list, from := x.tails[at], len(path)*model.PageLen
	if len(list) == 0 || from >= len(tokens) || len(path) > 0 && !x.seen(path, false) {
		return nil, 0
	}
	for _, t := range slices.Backward(list[max(0, len(list)-mostTails):]) {
		n := 0
		for n < min(len(tokens)-from, model.PageLen) && t.key.tokens[n] == tokens[from+n] {
			n++
		}
		if n > common && !slices.Contains(t.units, -1) && (!x.states || t.key.tokens[n] < 0) {
			tail, common = t, n
		}
	}
	return tail, common
}

// addTail takes the page that q was filling into the index.
func (x *index) addTail(q *sequence) {
	x.add(q)
	from, to := q.pages*model.PageLen, min(q.stored, q.r.Share)
	if q.r.Rows || to < from || x.states && to < q.stored {
		return
	}
	if to == from { // a page ends here: all that a next turn lacks is a snapshot
		for pool, k := range x.pages.kinds {
			if n := q.shared; k.Per == model.Sequence && n != nil && n.units[pool] < 0 {
				n.units[pool], n.kept = q.units[pool][0], false
				x.pages.keep(pool, n.units[pool])
			}
		}
		return
	}
	key := pageKey{x.under(q), tailOf(q.tokens[from:to])}
	own := func(pool int) int32 {
		if x.pages.kinds[pool].Per == model.Sequence {
			return q.units[pool][0]
		}
		return q.units[pool][q.pages]
	}
	n := x.nodes[key]
	if n == nil {
		n = &node{key: key, units: make([]int32, len(x.pages.kinds))}
		for pool := range n.units {
			n.units[pool] = -1
		}
		x.nodes[key] = n
		x.tails[key.before] = append(x.tails[key.before], n)
		key.before.children++
	}
	for pool, u := range n.units { // what had been given up is there again
		if u < 0 {
			n.units[pool], n.kept = own(pool), false
			x.pages.keep(pool, n.units[pool])
		}
	}
	x.use(n)
}

// under is the node that q stands on, its caller's root where there is none.
func (x *index) under(q *sequence) *node {
	if q.shared != nil {
		return q.shared
	}
	root := x.roots[q.r.Caller]
	if root == nil {
		root = &node{caller: q.r.Caller}
		x.roots[q.r.Caller] = root
	}
	return root
}

// seen reports whether the pages that the windows after path show are there, and a
// snapshot at its end where states are wanted.
func (x *index) seen(path []*node, states bool) bool {
	for pool, k := range x.pages.kinds {
		if k.Per == model.Sequence {
			if states && path[len(path)-1].units[pool] < 0 {
				return false
			}
			continue
		}
		// The first token to run is the one after path, or its last one again.
		first := len(path)*model.PageLen - 1
		for i := k.FirstSeen(first) / model.PageLen; i < len(path); i++ {
			if path[i].units[pool] < 0 {
				return false
			}
		}
	}
	return true
}

// add takes the whole pages that q has filled into the index, and where it stands at a
// mark its slot: q goes on in a copy.
func (x *index) add(q *sequence) {
	for q.pages < min(q.stored, q.r.Share)/model.PageLen {
		before := x.under(q)
		key := pageKey{before, page(q.tokens, q.pages)}
		n := x.nodes[key]
		if n == nil {
			n = &node{key: key, units: make([]int32, len(x.pages.kinds))}
			for pool := range n.units {
				u := x.unit(q, pool)
				if n.units[pool] = u; u >= 0 {
					x.pages.keep(pool, u)
				}
			}
			x.nodes[key] = n
			before.children++
		} else {
			x.unlink(n)
			for pool, u := range n.units {
				switch own := x.unit(q, pool); {
				case own < 0 || own == u:
				case u < 0: // what a window had given up is there again
					n.units[pool], n.kept = own, false
					x.pages.keep(pool, own)
				case x.pages.kinds[pool].Per != model.Sequence:
					// Both hold the same bits. Two copies could not be given up while q stands on them.
					x.pages.hold(pool, u)
					x.pages.drop(pool, own)
					q.units[pool][q.pages] = u
				}
			}
		}
		x.link(n)
		n.children++ // q stands on it now, and no more on the one before
		if q.shared != nil {
			q.shared.children--
		}
		q.shared, q.pages = n, q.pages+1
	}
}

// unit is what q has of a pool for the node of its page q.pages: a page, or its slot where
// it stands at the page's end and is to leave a snapshot; −1 for nothing.
func (x *index) unit(q *sequence, pool int) int32 {
	switch {
	case x.pages.kinds[pool].Per != model.Sequence:
		return q.units[pool][q.pages]
	case (q.pages+1)*model.PageLen == q.stored && q.marked():
		return q.units[pool][0]
	}
	return -1
}

// leave takes q off the index.
func (x *index) leave(q *sequence) {
	if q.shared != nil {
		q.shared.children--
		x.prune(q.shared)
	}
	q.shared, q.pages, q.tail = nil, 0, nil
}

// disown takes the last page that q stands on out of the index, in a pool, so that q
// may write to it; false where others use it too. What q writes is the same tokens
// once more, and add brings the page back.
func (x *index) disown(q *sequence, pool int) bool {
	n := q.shared
	if t := q.tail; t != nil && x.nodes[t.key] == t {
		if x.pages.refs[pool][t.units[pool]] > 2 {
			return false
		}
		x.remove(t)
		return true
	}
	if n == nil || n.units[pool] < 0 || x.pages.refs[pool][n.units[pool]] > 2 {
		return false
	}
	window := x.pages.kinds[pool].Per == model.Window
	if !window && n.children > 1 {
		return false
	}
	n.children--
	q.shared, q.pages = nil, q.pages-1
	if before := n.key.before; before.units != nil {
		before.children++
		q.shared = before
	}
	if !window {
		x.remove(n)
		return true
	}
	x.pages.letGo(pool, n.units[pool])
	n.units[pool] = -1
	x.prune(n)
	return true
}

// disownState takes the snapshot that q stands on out of the index, in a pool, so that q
// may go on in its slot; false where others use it too.
func (x *index) disownState(q *sequence, pool int) bool {
	slot := q.units[pool][0]
	if x.pages.refs[pool][slot] > 2 {
		return false
	}
	if t := q.tail; t != nil && x.nodes[t.key] == t && t.units[pool] == slot {
		x.remove(t)
		return true
	}
	n := q.shared
	if n == nil || n.units[pool] != slot {
		return false
	}
	x.pages.letGo(pool, slot)
	n.units[pool] = -1
	return true
}

// giveUp frees a unit of a pool that only the index holds, of the node that was not
// used for the longest time; false where there is none.
func (x *index) giveUp(pool int) bool {
	for n := x.oldest; n != nil; n = n.newer {
		u := n.units[pool]
		if u < 0 || x.pages.refs[pool][u] > 1 {
			continue
		}
		if x.pages.kinds[pool].Per != model.Position { // a path without it can still be used, where no window reaches, or from another snapshot on
			x.pages.letGo(pool, u)
			n.units[pool] = -1
			x.prune(n)
			return true
		}
		if n.children == 0 {
			x.remove(n)
			return true
		}
	}
	return false
}

func (x *index) remove(n *node) {
	for pool, u := range n.units {
		x.pages.letGo(pool, u)
	}
	delete(x.nodes, n.key)
	if n.name != "" {
		delete(x.names, n.name)
	}
	if n.tail() {
		before := n.key.before
		x.tails[before] = slices.DeleteFunc(x.tails[before], func(t *node) bool { return t == n })
		if len(x.tails[before]) == 0 {
			delete(x.tails, before)
		}
	}
	x.unlink(n)
	n.key.before.children--
	x.prune(n.key.before)
}

// prune forgets a node that nothing stands on and that holds nothing.
func (x *index) prune(n *node) {
	switch {
	case n.children > 0:
	case n.units == nil:
		delete(x.roots, n.caller)
	case !slices.ContainsFunc(n.units, func(u int32) bool { return u >= 0 }):
		x.remove(n)
	}
}

func (x *index) use(n *node) {
	x.unlink(n)
	x.link(n)
}

func (x *index) link(n *node) {
	n.older, n.newer = x.recent, nil
	if x.recent != nil {
		x.recent.newer = n
	} else {
		x.oldest = n
	}
	x.recent = n
}

func (x *index) unlink(n *node) {
	if n.newer != nil {
		n.newer.older = n.older
	} else if x.recent == n {
		x.recent = n.older
	}
	if n.older != nil {
		n.older.newer = n.newer
	} else if x.oldest == n {
		x.oldest = n.newer
	}
	n.newer, n.older = nil, nil
}

// tailOf returns the tokens of a page that is not full.
func tailOf(tokens []int32) (p [model.PageLen]int32) {
	for i := copy(p[:], tokens); i < len(p); i++ {
		p[i] = -1
	}
	return p
}

// page returns the tokens of page i.
func page(tokens []int32, i int) (p [model.PageLen]int32) {
	copy(p[:], tokens[i*model.PageLen:])
	return p
}
