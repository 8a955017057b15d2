package transform

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
)

// Tokens says how [Tokenize] makes tokens.
type Tokens struct {
	// Column is of any type; its tokens are text.
	Column string
	// Domain tells tokens of one kind of value from those of others: the same
	// value has the same token wherever domain and key are the same. Empty is the
	// column's name.
	Domain string
	// Keys has the key KeyID; empty is its current one at the time of the call.
	// Tables whose key columns are tokenized name the ID, since another key makes
	// other rows of the same values.
	Keys  KeyProvider
	KeyID string
	// Encoding is "base32" (the default: RFC 4648 in lower case without padding,
	// 52 characters) or "hex" (64, lower case).
	Encoding string
	// KeyIDColumn, if not empty, is a column added behind the others that holds
	// the key's ID, or null where the token is.
	KeyIDColumn string
}

// tokenMagic begins what the MAC is computed of, so that the key may not be
// taken for another purpose by mistake.
const tokenMagic = "tidemark token 1\x00"

// Tokenize puts tokens in the place of values: HMAC-SHA256 (RFC 2104, FIPS
// 180-4) under a secret key. Equal values have equal tokens, so that they may
// still be joined and be keys, and who has not the key can neither read them nor
// try values out. A null stays null.
//
// The MAC is computed of the bytes "tidemark token 1" and 0, the length of the
// domain in bytes as 4 bytes, the greatest first, the domain, and the canonical
// text of the value (as [Cast] to string makes it), in UTF-8.
func Tokenize(t Tokens) etl.Transformer {
	if t.Domain == "" {
		t.Domain = t.Column
	}
	if t.Encoding == "" {
		t.Encoding = "base32"
	}
	var invalid error
	switch {
	case t.Keys == nil:
		invalid = errors.New("no key provider")
	case t.Encoding != "base32" && t.Encoding != "hex":
		invalid = fmt.Errorf("encoding %q is not base32 or hex", t.Encoding)
	case t.KeyID == "":
		t.KeyID = t.Keys.CurrentID()
	}
	k := &tokenizer{Tokens: t}
	k.columnwise = columnwise{
		columns: []string{t.Column}, invalid: invalid, convert: k.tokens,
		out: func(string, etl.Type) (etl.Type, error) { return etl.String, nil },
	}
	k.decl = etl.Declaration{Kind: "tokenize", Options: map[string]any{
		"column": t.Column, "domain": t.Domain, "key_id": t.KeyID, "encoding": t.Encoding,
	}}
	if t.Keys != nil {
		k.decl.Options["key"] = t.Keys.Name()
	}
	if t.KeyIDColumn != "" {
		k.decl.Options["key_id_column"] = t.KeyIDColumn
	}
	return k
}

type tokenizer struct {
	columnwise
	Tokens

	mu  sync.Mutex
	key []byte // nil before it was asked for
}

var (
	_ etl.KeyTransformer = (*tokenizer)(nil)
	_ etl.Declarer       = (*tokenizer)(nil)
)

// String keeps the key out of what is printed.
func (t *tokenizer) String() string { return "tokenize " + t.Column }

// Schema implements [etl.Transformer].
func (t *tokenizer) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	out, err := t.columnwise.Schema(in)
	if err != nil || t.KeyIDColumn == "" {
		return out, err
	}
	id := arrow.Field{Name: t.KeyIDColumn, Type: arrow.BinaryTypes.String, Nullable: true}
	return newSchema(append(slices.Clone(out.Fields()), id))
}

// Transform implements [etl.Transformer].
func (t *tokenizer) Transform(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	out, err := t.columnwise.Transform(ctx, in)
	if err != nil || t.KeyIDColumn == "" {
		return out, err
	}
	defer out.Release()
	schema, err := t.Schema(in.Schema())
	if err != nil {
		return nil, err
	}
	values := in.Column(in.Schema().FieldIndices(t.Column)[0])
	ids, err := mapText(values, values.Len()*len(t.KeyID), func(dst []byte, _ int) ([]byte, string) {
		return append(dst, t.KeyID...), ""
	})
	if err != nil {
		return nil, err
	}
	defer ids.Release()
	return array.NewRecordBatch(schema, append(slices.Clone(out.Columns()), ids), in.NumRows()), nil
}

// secret asks for the key once.
func (t *tokenizer) secret(ctx context.Context) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key != nil {
		return t.key, nil
	}
	key, err := t.Keys.Key(ctx, t.KeyID)
	if err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	if len(key) < MinKeyBytes {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("tokenize: key %q of %s has fewer than %d bytes", t.KeyID, t.Keys.Name(), MinKeyBytes))
	}
	t.key = slices.Clone(key)
	return t.key, nil
}

// base32Lower is RFC 4648's alphabet in lower case, which file systems and
// databases that fold case do not confuse.
var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (t *tokenizer) tokens(ctx context.Context, _ string, col arrow.Array) (arrow.Array, error) {
	key, err := t.secret(ctx)
	if err != nil {
		return nil, err
	}
	text, err := texterOf(col)
	if err != nil {
		return nil, err
	}
	mac := newTokenMAC(key, t.Domain)
	encode, size := base32Lower.AppendEncode, 52
	if t.Encoding == "hex" {
		encode, size = hex.AppendEncode, 64
	}
	var buf []byte
	return mapText(col, size*col.Len(), func(dst []byte, i int) ([]byte, string) {
		var rule string
		if buf, rule = text(buf[:0], i); rule != "" {
			return dst, rule
		}
		return encode(dst, mac.sum(buf)), ""
	})
}

// tokenMAC computes many tokens in the same memory.
type tokenMAC struct {
	mac    hash.Hash
	prefix []byte
	digest [sha256.Size]byte
}

func newTokenMAC(key []byte, domain string) *tokenMAC {
	prefix := binary.BigEndian.AppendUint32([]byte(tokenMagic), uint32(len(domain)))
	return &tokenMAC{mac: hmac.New(sha256.New, key), prefix: append(prefix, domain...)}
}

func (m *tokenMAC) sum(value []byte) []byte {
	m.mac.Reset()
	_, _ = m.mac.Write(m.prefix)
	_, _ = m.mac.Write(value)
	return m.mac.Sum(m.digest[:0])
}

// HashJoin adds a text column behind the others with the SHA-256 (FIPS 180-4, in
// lower-case hexadecimal digits) of the values of columns, as a key to join by.
// It hides nothing: who guesses the values finds the hash; use [Tokenize] for
// what is personal.
//
// What is hashed is, for each column in the order named: one byte for its type (1
// bool, 2 int and long, 3 float and double, 4 decimal, 5 date, 6 timestamp, 7
// timestamptz, 8 string, 9 binary, 10 uuid), the length in bytes of the value's
// canonical text as 4 bytes, the greatest first, and that text in UTF-8; for a
// null, a byte 0 alone. The hash is never null.
func HashJoin(name string, columns ...string) etl.Transformer {
	columns = slices.Clone(columns)
	return adding{
		decl: etl.Declaration{Kind: "hash", Options: map[string]any{"column": name, "of": columns}},
		fields: func(in *arrow.Schema) ([]arrow.Field, error) {
			if len(columns) == 0 {
				return nil, errors.New("no columns to hash")
			}
			if _, err := picked(in, "of", columns); err != nil {
				return nil, err
			}
			return []arrow.Field{{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}}, nil
		},
		make: func(_ context.Context, in arrow.RecordBatch) ([]arrow.Array, error) {
			out, err := hashColumns(in, columns)
			return []arrow.Array{out}, err
		},
	}
}

func hashColumns(in arrow.RecordBatch, columns []string) (arrow.Array, error) {
	cols, texts, tags := make([]arrow.Array, len(columns)), make([]texter, len(columns)), make([]byte, len(columns))
	for c, name := range columns {
		cols[c] = in.Column(in.Schema().FieldIndices(name)[0])
		var err error
		if texts[c], err = texterOf(cols[c]); err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		tags[c] = hashTag(cols[c].DataType())
	}
	digest := sha256.New()
	var buf, sum []byte
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(int(in.NumRows()))
	b.ReserveData(2 * sha256.Size * int(in.NumRows()))
	for i := range int(in.NumRows()) {
		digest.Reset()
		buf = buf[:0]
		for c, col := range cols {
			if col.IsNull(i) {
				buf = append(buf, 0)
				continue
			}
			at := len(buf) + 5
			var rule string
			if buf, rule = texts[c](append(buf, tags[c], 0, 0, 0, 0), i); rule != "" {
				return nil, inColumn(columns[c], badValue(i, rule))
			}
			binary.BigEndian.PutUint32(buf[at-4:], uint32(len(buf)-at))
		}
		_, _ = digest.Write(buf)
		sum = digest.Sum(sum[:0])
		b.BinaryBuilder.Append(hex.AppendEncode(buf[:0], sum))
	}
	return b.NewArray(), nil
}

func hashTag(dt arrow.DataType) byte {
	typ, _ := etl.TypeOf(dt)
	if _, _, ok := typ.DecimalSize(); ok {
		return 4
	}
	return map[etl.Type]byte{
		etl.Bool: 1, etl.Int: 2, etl.Long: 2, etl.Float: 3, etl.Double: 3, etl.Date: 5, etl.Timestamp: 6,
		etl.TimestampTZ: 7, etl.String: 8, etl.Binary: 9, etl.UUID: 10,
	}[typ]
}
