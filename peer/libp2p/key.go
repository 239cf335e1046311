package libp2p

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/libp2p/go-libp2p/core/crypto"
	id "github.com/libp2p/go-libp2p/core/peer"

	"eclat/loader/atomicfile"
)

// Key reads the key of a file, or makes one where there is no such file. Nobody else may
// be able to read it.
func Key(path string) (crypto.PrivKey, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > 4096 {
		return nil, fmt.Errorf("%s: no file with a key", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read this key (mode %04o): chmod 600, or remove it for a new one", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := crypto.UnmarshalPrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: no key: %w", path, err)
	}
	return key, nil
}

func makeKey(path string) (crypto.PrivKey, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	text, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return key, writeFile(path, text)
}

// ID is the id of a key.
func ID(key crypto.PrivKey) (string, error) {
	p, err := id.IDFromPrivateKey(key)
	return p.String(), err
}

// writeFile writes a file that nobody else may read, whole or not at all.
func writeFile(path string, text []byte) error {
	return atomicfile.Write(path, atomicfile.Options{Mode: 0o600}, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
