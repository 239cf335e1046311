package record

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"

	"eclat/loader/atomicfile"
)

const (
	magic     = "eclatrec"
	version   = 1
	fixed     = len(magic) + 8 // bytes before the header
	maxHeader = 64 << 20       // bytes; a header lists tokens and tensors
)

// envelope is the header as it is stored.
type envelope struct {
	Kind    string          `json:"kind"`
	Payload int64           `json:"payload"` // bytes of numbers
	Body    json.RawMessage `json:"body"`
}

// Writer writes a record to a temporary file that takes its name when complete.
type Writer struct {
	file *atomicfile.File
	buf  *bufio.Writer
	sum  hash.Hash
	path string
	left int64 // bytes of numbers still to come
	tmp  [4]byte
}

// Create begins a record of payload bytes of numbers at path.
func Create(path, kind string, header any, payload int64) (*Writer, error) {
	body, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	env, err := json.Marshal(envelope{kind, payload, body})
	if err != nil {
		return nil, err
	}
	if len(env) > maxHeader {
		return nil, fmt.Errorf("record: a header of %d bytes, the limit is %d", len(env), maxHeader)
	}
	f, err := atomicfile.Create(path, atomicfile.Options{})
	if err != nil {
		return nil, err
	}
	w := &Writer{file: f, sum: sha256.New(), path: path, left: payload}
	w.buf = bufio.NewWriterSize(io.MultiWriter(f, w.sum), 1<<20)
	w.buf.WriteString(magic)
	binary.Write(w.buf, binary.LittleEndian, uint32(version))
	binary.Write(w.buf, binary.LittleEndian, uint32(len(env)))
	w.buf.Write(env)
	return w, nil
}

// Floats writes numbers as 32-bit floats. Errors show in Close.
func (w *Writer) Floats(x []float32) {
	for _, v := range x {
		binary.LittleEndian.PutUint32(w.tmp[:], math.Float32bits(v))
		w.buf.Write(w.tmp[:])
	}
	w.left -= 4 * int64(len(x))
}

// Words writes 16-bit numbers.
func (w *Writer) Words(x []uint16) {
	for _, v := range x {
		binary.LittleEndian.PutUint16(w.tmp[:], v)
		w.buf.Write(w.tmp[:2])
	}
	w.left -= 2 * int64(len(x))
}

// Close completes the record and gives it its name.
func (w *Writer) Close() error {
	defer w.Abort()
	if err := w.buf.Flush(); err != nil {
		return err
	}
	if w.left != 0 {
		return fmt.Errorf("record: %s: %d bytes of numbers are missing", w.path, w.left)
	}
	if _, err := w.file.Write(w.sum.Sum(nil)); err != nil {
		return err
	}
	return w.file.Commit()
}

// Abort drops an incomplete record. After Close it does nothing.
func (w *Writer) Abort() { w.file.Abort() }

// Reader reads the numbers of a record in the order they were written.
type Reader struct {
	file *os.File
	buf  *bufio.Reader
	path string
	left int64
	raw  []byte
}

// Open opens the record at path, checks its size and its sum, and reads its
// header. A file of another kind, cut short or changed is refused with one line.
func Open(path, kind string, header any) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: f, path: path}
	if err := r.open(kind, header); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s", r.path, fmt.Sprintf(format, args...))
}

// damaged says what is wrong with the header: a field of the wrong kind by its name
// in the file, without the type that it has in this program.
func (r *Reader) damaged(err error) error {
	var t *json.UnmarshalTypeError
	switch {
	case errors.As(err, &t) && t.Field == "":
		return r.errorf("its header is damaged: %s in place of an object", t.Value)
	case t != nil:
		return r.errorf("its header is damaged: %q cannot be %s", t.Field, t.Value)
	}
	return r.errorf("its header is damaged: %v", err)
}

func (r *Reader) open(kind string, header any) error {
	st, err := r.file.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return r.errorf("not a regular file")
	}
	head := make([]byte, fixed)
	if _, err := io.ReadFull(r.file, head); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return r.errorf("not a saved %s: %d bytes are too few", kind, st.Size())
	} else if err != nil {
		return err
	}
	if !bytes.HasPrefix(head, []byte(magic)) {
		return r.errorf("not a saved %s", kind)
	}
	if v := binary.LittleEndian.Uint32(head[len(magic):]); v != version {
		return r.errorf("saved in format %d, this eclat reads format %d", v, version)
	}
	n := int64(binary.LittleEndian.Uint32(head[len(magic)+4:]))
	if n > maxHeader || int64(fixed)+n > st.Size() {
		return r.errorf("cut short or damaged: a header of %d bytes in a file of %d", n, st.Size())
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r.file, raw); err != nil {
		return err
	}
	var env envelope
	if err := json.Unmarshal(raw, &env); err != nil {
		return r.damaged(err)
	}
	if env.Kind != kind {
		return r.errorf("a saved %.20s, not a saved %s", env.Kind, kind)
	}
	begin := int64(fixed) + n
	if env.Payload < 0 || st.Size()-begin-sha256.Size != env.Payload {
		return r.errorf("cut short or damaged: %d bytes, its header promises %d", st.Size(), begin+env.Payload+sha256.Size)
	}
	if err := r.check(begin + env.Payload); err != nil {
		return err
	}
	if err := json.Unmarshal(env.Body, header); err != nil {
		return r.damaged(err)
	}
	if _, err := r.file.Seek(begin, io.SeekStart); err != nil {
		return err
	}
	r.buf, r.left = bufio.NewReaderSize(r.file, 1<<20), env.Payload
	return nil
}

// check compares the sum of the first n bytes with the one that follows them.
func (r *Reader) check(n int64) error {
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.CopyN(h, r.file, n); err != nil {
		return err
	}
	var sum [sha256.Size]byte
	if _, err := io.ReadFull(r.file, sum[:]); err != nil {
		return err
	}
	if !bytes.Equal(h.Sum(nil), sum[:]) {
		return r.errorf("damaged: its checksum differs")
	}
	return nil
}

// bytes reads the next n bytes of numbers.
func (r *Reader) bytes(n int) ([]byte, error) {
	if int64(n) > r.left {
		return nil, r.errorf("%d more bytes of numbers were expected, %d are left", n, r.left)
	}
	if cap(r.raw) < n {
		r.raw = make([]byte, n)
	}
	r.left -= int64(n)
	_, err := io.ReadFull(r.buf, r.raw[:n])
	return r.raw[:n], err
}

// Floats reads len(dst) 32-bit floats.
func (r *Reader) Floats(dst []float32) error {
	b, err := r.bytes(4 * len(dst))
	if err != nil {
		return err
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}

// Words reads len(dst) 16-bit numbers.
func (r *Reader) Words(dst []uint16) error {
	b, err := r.bytes(2 * len(dst))
	if err != nil {
		return err
	}
	for i := range dst {
		dst[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return nil
}

// Left returns how many bytes of numbers have not been read.
func (r *Reader) Left() int64 { return r.left }

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }
