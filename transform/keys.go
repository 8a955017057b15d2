package transform

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tidemark-data/etl"
)

// KeyProvider gives out the secret keys of [Tokenize]. Implementations are safe
// for concurrent use. Their errors hold no part of a key.
type KeyProvider interface {
	// Name tells other engines where the keys are, as "env:TOKEN_KEY". It is
	// declared and holds no secret.
	Name() string
	// CurrentID is the ID of the key that new declarations use. It is called once
	// for each Tokenize.
	CurrentID() string
	// Key returns the key of an ID, of at least MinKeyBytes. It returns an error
	// that wraps etl.ErrNotFound for an ID that it does not know.
	Key(ctx context.Context, id string) ([]byte, error)
}

// MinKeyBytes is the least length of a key.
const MinKeyBytes = 16

const maxKeyFile = 64 << 10

// StaticKeys are keys in memory, by ID.
type StaticKeys struct {
	name, current string
	keys          map[string][]byte
}

var _ KeyProvider = (*StaticKeys)(nil)

// NewStaticKeys returns keys of which current is the ID of the current one.
func NewStaticKeys(name, current string, keys map[string][]byte) *StaticKeys {
	copied := map[string][]byte{}
	for id, k := range keys {
		copied[id] = bytes.Clone(k)
	}
	return &StaticKeys{name, current, copied}
}

// String keeps the keys out of what is printed.
func (s *StaticKeys) String() string { return "keys of " + s.name }

// Name implements [KeyProvider].
func (s *StaticKeys) Name() string { return s.name }

// CurrentID implements [KeyProvider].
func (s *StaticKeys) CurrentID() string { return s.current }

// Key implements [KeyProvider].
func (s *StaticKeys) Key(_ context.Context, id string) ([]byte, error) {
	k, ok := s.keys[id]
	if !ok {
		return nil, unknownKey(s.name, id)
	}
	return k, nil
}

func unknownKey(name, id string) error {
	return fmt.Errorf("%s has no key %q: %w", name, id, etl.ErrNotFound)
}

// textKey is one key, written as text somewhere.
type textKey struct {
	name, id string
	read     func() ([]byte, error)
}

var _ KeyProvider = textKey{}

// EnvKey is the key in an environment variable, read when it is needed. The
// text is the key itself, or "hex:" or "base64:" and what encodes it. Line ends
// behind it are cut off. An empty id is "1".
func EnvKey(variable, id string) KeyProvider {
	return textKey{"env:" + variable, idOr1(id), func() ([]byte, error) {
		text, ok := os.LookupEnv(variable)
		if !ok {
			return nil, errors.New("environment variable is not set")
		}
		return []byte(text), nil
	}}
}

// FileKey is the key in a file of at most 64 KiB, written as with [EnvKey].
func FileKey(path, id string) KeyProvider {
	return textKey{"file:" + path, idOr1(id), func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
		if err == nil && len(text) > maxKeyFile {
			err = errors.New("key file is too long")
		}
		return text, err
	}}
}

func idOr1(id string) string {
	if id == "" {
		return "1"
	}
	return id
}

func (k textKey) Name() string      { return k.name }
func (k textKey) CurrentID() string { return k.id }

func (k textKey) Key(_ context.Context, id string) ([]byte, error) {
	if id != k.id {
		return nil, unknownKey(k.name, id)
	}
	text, err := k.read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	key, ok := decodeKey(bytes.TrimRight(text, "\r\n"))
	if !ok {
		return nil, fmt.Errorf("%s: not what its prefix says", k.name)
	}
	return key, nil
}

func decodeKey(text []byte) ([]byte, bool) {
	if digits, ok := bytes.CutPrefix(text, []byte("hex:")); ok {
		key, err := hex.AppendDecode(nil, digits)
		return key, err == nil
	}
	if digits, ok := bytes.CutPrefix(text, []byte("base64:")); ok {
		key, err := base64.StdEncoding.AppendDecode(nil, digits)
		return key, err == nil
	}
	return text, true
}
