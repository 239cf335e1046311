package ggufwrite

import "fmt"

// PartName returns the file name of part no (from 0) of a model split into count.
func PartName(base string, no, count int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", base, no+1, count)
}

// Split deals the tensors of f out to count files, in order and as evenly as
// their number allows. As the usual splitting tool does it, all metadata stays
// in the first part, and each part has the three split keys.
func (f *File) Split(count int) []*File {
	parts := make([]*File, count)
	for i := range parts {
		p := &File{Version: f.Version, Alignment: f.Alignment}
		if i == 0 {
			p.Meta = append(p.Meta, f.Meta...)
		}
		p.Set("split.no", uint16(i))
		p.Set("split.count", uint16(count))
		p.Set("split.tensors.count", int32(len(f.Tensors)))
		p.Tensors = f.Tensors[len(f.Tensors)*i/count : len(f.Tensors)*(i+1)/count]
		parts[i] = p
	}
	return parts
}

// WriteSplit writes f as count files named after base and returns their paths.
func (f *File) WriteSplit(base string, count int) ([]string, error) {
	var paths []string
	for i, p := range f.Split(count) {
		path := PartName(base, i, count)
		if err := p.WriteFile(path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}
