package quantize

import (
	"fmt"
	"regexp"
	"strings"

	"eclat/loader"
	"eclat/loader/ggufwrite"
	"eclat/loader/quant"
)

// Override gives the tensors whose names match a type of their own.
type Override struct {
	Pattern *regexp.Regexp
	Type    quant.Type
}

// ParseOverride reads REGEX=TYPE.
func ParseOverride(s string) (Override, error) {
	i := strings.LastIndex(s, "=")
	if i < 0 {
		return Override{}, fmt.Errorf("%.80q is not REGEX=TYPE", s)
	}
	pattern, err := regexp.Compile(s[:i])
	if err != nil {
		return Override{}, fmt.Errorf("%.80q: %w", s, err)
	}
	t, ok := quant.ByName[strings.ToUpper(s[i+1:])]
	if !ok || !t.CanEncode() {
		return Override{}, fmt.Errorf("%w: %.40q in %.80q", ErrType, s[i+1:], s)
	}
	return Override{pattern, t}, nil
}

// Item is a tensor and what becomes of it.
type Item struct {
	Tensor  *loader.Tensor
	Type    quant.Type // as it will be
	Wanted  quant.Type // what was chosen; not Type where its blocks do not divide a row
	Size    int64      // bytes
	weights []float32  // of the columns' errors; nil for all alike
	Loss    float64    // after Write: the root mean square of the error by that of the elements
}

// Changes reports whether the tensor gets another type.
func (i *Item) Changes() bool { return i.Type != i.Tensor.Type }

// Plan is a file that will be written.
type Plan struct {
	Items []*Item // in the order of the file
	f     *loader.File
	mix   mix
}

// New chooses a type for each tensor: that of the first override whose pattern its name
// matches, else what the mix of that name says. Norms and small tensors stay as they are.
// The importance matrix may be nil.
func New(f *loader.File, name string, overrides []Override, importance Importance) (*Plan, error) {
	x, err := findMix(name)
	if err != nil {
		return nil, err
	}
	p, m := &Plan{f: f, mix: x}, modelOf(f)
	m.weighted = importance != nil
	for _, t := range f.Tensors {
		it := &Item{Tensor: t, Type: t.Type, Wanted: t.Type}
		if mayChange(t) {
			it.Wanted = m.choose(x, t)
			for _, o := range overrides {
				if o.Pattern.MatchString(t.Name) {
					it.Wanted = o.Type
					break
				}
			}
			it.Type = fitting(it.Wanted, t.Dims[0])
			if it.weights, err = importance.of(t); err != nil {
				return nil, err
			}
		}
		if it.Changes() && !t.Type.CanDecode() {
			return nil, fmt.Errorf("%w: %s is of %s, which cannot be read", ErrType, t.Name, t.Type)
		}
		size, ok := it.Type.RowBytes(uint64(t.Elems()))
		if !ok {
			return nil, fmt.Errorf("%s: the size in bytes overflows: %d elements of %s", t.Name, t.Elems(), it.Type)
		}
		it.Size = int64(size)
		p.Items = append(p.Items, it)
	}
	return p, nil
}

// Requantised counts the tensors that lost something once already.
func (p *Plan) Requantised() (n int) {
	for _, it := range p.Items {
		if it.Changes() && it.Tensor.Type.Integers() {
			n++
		}
	}
	return n
}

// alignment is what tensors begin at multiples of, in bytes.
func (p *Plan) alignment() int64 {
	if v, ok := p.f.Get("general.alignment"); ok {
		if a, ok := v.Uint(); ok && a > 0 {
			return int64(a)
		}
	}
	return 32
}

func align(n, a int64) int64 { return (n + a - 1) / a * a }

// header is all that stands before the data of part no of count: as the usual
// splitting tool has it, the first has all metadata.
func (p *Plan) header(items []*Item, no, count int) []byte {
	type kv struct {
		key   string
		value any
	}
	var own []kv
	if no == 0 {
		own = append(own, kv{"general.quantization_version", uint32(2)}, kv{"general.file_type", p.mix.fileType})
	}
	if count > 1 {
		own = append(own, kv{"split.no", uint16(no)}, kv{"split.count", uint16(count)}, kv{"split.tensors.count", int32(len(p.Items))})
	}
	var keys []string
	for _, key := range p.f.Keys {
		if key == "general.alignment" || no == 0 && !strings.HasPrefix(key, "split.") &&
			key != "general.quantization_version" && key != "general.file_type" {
			keys = append(keys, key)
		}
	}
	var r ggufwrite.Raw
	r.Header(3, uint64(len(items)), uint64(len(keys)+len(own)))
	for _, key := range keys {
		v, _ := p.f.Get(key)
		r.Str(key)
		r.Append(v.Append(nil)...)
	}
	for _, kv := range own {
		r.KV(kv.key, kv.value)
	}
	offset := int64(0)
	for _, it := range items {
		dims := make([]uint64, len(it.Tensor.Dims))
		for i, d := range it.Tensor.Dims {
			dims[i] = uint64(d)
		}
		r.TensorInfo(it.Tensor.Name, dims, it.Type, uint64(offset))
		offset = align(offset+it.Size, p.alignment())
	}
	r.Pad(int(p.alignment()))
	return r.Bytes()
}
