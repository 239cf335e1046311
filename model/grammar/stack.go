package grammar

// Frames a stack may have. What would nest deeper is not allowed, in masks as in text.
const maxDepth = 4096

// frame is a node of a stack: what lies above up, the rest of the stack.
type frame struct {
	up    int32
	what  int32 // a call: the state it leads back to; a loop: ^ of its number
	count int32 // turns a loop has behind it
	depth int32 // frames from the bottom to here
}

// stacks holds all stacks of a matcher. Frame 0 is the bottom, the empty stack. Equal
// stacks are one frame, so that stacks are equal where their numbers are.
type stacks struct {
	frames []frame
	table  []int32 // by hash, open addressing, 0 for free; its length is a power of two
}

func (s *stacks) reset() {
	s.frames = append(s.frames[:0], frame{})
	if s.table == nil {
		s.table = make([]int32, 256)
	}
	clear(s.table)
}

func (s *stacks) slot(up, what, count int32) uint32 {
	h := uint32(up)*0x9E3779B1 ^ uint32(what)*0x85EBCA77 ^ uint32(count)*0xC2B2AE3D
	return (h ^ h>>15) & uint32(len(s.table)-1)
}

// push returns the stack with a frame more.
func (s *stacks) push(up, what, count int32) int32 {
	mask := uint32(len(s.table) - 1)
	i := s.slot(up, what, count)
	for ; s.table[i] != 0; i = (i + 1) & mask {
		if f := &s.frames[s.table[i]]; f.up == up && f.what == what && f.count == count {
			return s.table[i]
		}
	}
	id := int32(len(s.frames))
	s.frames = append(s.frames, frame{up, what, count, s.frames[up].depth + 1})
	s.table[i] = id
	if 2*len(s.frames) > len(s.table) {
		s.table = make([]int32, 2*len(s.table))
		for id := range s.frames[1:] {
			s.insert(int32(id) + 1)
		}
	}
	return id
}

func (s *stacks) insert(id int32) {
	f := s.frames[id]
	i := s.slot(f.up, f.what, f.count)
	for s.table[i] != 0 {
		i = (i + 1) & uint32(len(s.table)-1)
	}
	s.table[i] = id
}

// cut forgets the frames from number n. They leave in the reverse order of their coming, so
// each slot can simply be freed: nothing that came later relies on it being taken.
func (s *stacks) cut(n int) {
	for id := len(s.frames) - 1; id >= n; id-- {
		f := s.frames[id]
		i := s.slot(f.up, f.what, f.count)
		for s.table[i] != int32(id) {
			i = (i + 1) & uint32(len(s.table)-1)
		}
		s.table[i] = 0
	}
	s.frames = s.frames[:n]
}

// keep marks frame id and all below it in to, which is as long as frames.
func (s *stacks) keep(to []int32, id int32) {
	for ; id != 0 && to[id] == 0; id = s.frames[id].up {
		to[id] = 1
	}
}

// compact drops the frames that to does not mark and leaves in it each one's new number.
func (s *stacks) compact(to []int32) {
	n := int32(1)
	for id := 1; id < len(s.frames); id++ {
		if to[id] != 0 {
			f := s.frames[id]
			f.up = to[f.up]
			s.frames[n] = f
			to[id] = n
			n++
		}
	}
	to[0] = 0
	s.frames = s.frames[:n]
	clear(s.table)
	for id := int32(1); id < n; id++ {
		s.insert(id)
	}
}
