package transform_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

func keys() transform.KeyProvider {
	return transform.NewStaticKeys("test", "k1", map[string][]byte{"k1": secret, "k2": []byte("another key of enough bytes")})
}

// token is the definition once more, written in another way.
func token(domain, value string) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte("tidemark token 1\x00"))
	_ = binary.Write(mac, binary.BigEndian, uint32(len(domain)))
	_, _ = mac.Write([]byte(domain + value))
	return hex.EncodeToString(mac.Sum(nil))
}

// scenario is a table whose keys are transformed, and what that does to a row of
// the model.
type scenario struct {
	transforms []etl.Transformer
	key        []string
	// before is what the transforms do to the values of a change before it is
	// settled, after what they do to the rows of the table.
	before func(id int64, mail string) (any, any)
	after  func(row []any) []any
	filter func(row []any) bool
	orders bool
	olds   bool
	budget int64
}

func hexToken(column, domain string) etl.Transformer {
	return transform.Tokenize(transform.Tokens{Column: column, Domain: domain, Keys: keys(), KeyID: "k1", Encoding: "hex"})
}

func raw(id int64, mail string) (any, any) { return id, mail }

func oddOnly(rec arrow.RecordBatch, row int) bool {
	return rec.Column(rec.Schema().FieldIndices("n")[0]).(*array.Int64).Value(row)%3 != 0
}

func scenarios() map[string]scenario {
	out := map[string]scenario{
		"one key": {
			key: []string{"id"}, transforms: []etl.Transformer{hexToken("id", "person")}, before: raw,
			after: func(r []any) []any { return []any{token("person", fmt.Sprint(r[0])), r[1], r[2], r[3]} },
		},
		"composite key, filters on both sides": {
			key: []string{"id", "mail"}, before: raw,
			transforms: []etl.Transformer{transform.Filter(oddOnly), hexToken("mail", ""), transform.Filter(oddOnly), transform.Reorder("mail")},
			after:      func(r []any) []any { return []any{token("mail", r[1].(string)), r[0], r[2], r[3]} },
			filter:     func(r []any) bool { return r[2].(int64)%3 != 0 },
		},
		"keys that become equal": {
			key: []string{"mail"}, transforms: []etl.Transformer{
				transform.Normalize(transform.Normal{Trim: true, Case: transform.CaseLower}, "mail"), hexToken("mail", "m"),
			},
			before: func(id int64, mail string) (any, any) { return id, strings.ToLower(strings.TrimSpace(mail)) },
			after:  func(r []any) []any { return []any{r[0], token("m", r[1].(string)), r[2], r[3]} },
		},
		"key of another type": {
			key: []string{"id"}, transforms: []etl.Transformer{transform.Cast(map[string]transform.CastTo{"id": {Type: etl.String}})},
			before: raw, after: func(r []any) []any { return []any{fmt.Sprint(r[0]), r[1], r[2], r[3]} },
		},
	}
	for name, s := range out {
		for i := 1; i < 8; i++ {
			v := s
			v.orders, v.olds = i&1 != 0, i&2 != 0
			if i&4 != 0 {
				v.budget = 1
			}
			out[fmt.Sprintf("%s, orders %v, old keys %v, budget %d", name, v.orders, v.olds, v.budget)] = v
		}
	}
	return out
}

// TestTransformedKeys compares random histories of tables whose keys are
// transformed with the model, which is given the keys that the table holds.
func TestTransformedKeys(t *testing.T) {
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(1) {
				s.play(t, rand.New(rand.NewPCG(seed, 7)))
			}
		})
	}
}

func (s scenario) table() etl.Table {
	t := etl.Table{
		Name: "city.people", Key: s.key, Op: etl.OpColumn{Column: "op"}, Transforms: s.transforms,
		Columns: etl.Columns{
			{Name: "id", Type: etl.Long}, {Name: "mail", Type: etl.String}, {Name: "n", Type: etl.Long}, {Name: "ver", Type: etl.Long},
		},
	}
	full := []string{"id", "mail", "n", "ver"}
	change := append([]string{"op"}, full...)
	if s.orders {
		t.OrderBy = []string{"ver"}
	}
	if s.olds {
		for _, k := range s.key {
			t.OldKey = append(t.OldKey, "old_"+k)
			change = append(change, "old_"+k)
		}
	}
	t.Format = format.CSV{FullColumns: full, ChangeColumns: change}
	return t
}

func (s scenario) play(t *testing.T, rnd *rand.Rand) {
	ctx := context.Background()
	src, lake := source.NewMemory(), sink.NewMemory()
	table := s.table()
	r, err := etl.New(etl.Config{
		Source: src, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake, Layout: format.DMS{},
		Tables: []etl.Table{table}, MemoryBudget: s.budget, TempDir: t.TempDir(),
	})
	require.NoError(t, err)
	m := etltest.NewModel(table)
	m.Filter = s.filter
	land := time.Unix(1_700_000_000, 0)
	for step := range 12 {
		kind, name := etl.Incremental, fmt.Sprintf("city/people/20240101-%09d.csv", step)
		if step == 0 || step == 7 {
			kind, name = etl.Full, fmt.Sprintf("city/people/LOAD%08d.csv", step+1)
		}
		text, changes := s.file(rnd, kind)
		src.Put(name, []byte(text), land.Add(time.Duration(step)*time.Hour))
		want, err := m.Load(kind, changes...)
		require.NoError(t, err)
		rep, err := r.Ingest(ctx)
		require.NoError(t, err)
		require.Equal(t, want, rep.Tables[0].Loads[0].Receipt.Counts, "step %d", step)
		got, err := etltest.ReadRows(ctx, lake, table.Name)
		require.NoError(t, err)
		rows := etltest.Rows{}
		for _, row := range m.Rows() {
			rows = append(rows, s.after(row))
		}
		require.Empty(t, rows.Diff(got), "step %d", step)
	}
}

// file makes a file of random changes.
func (s scenario) file(rnd *rand.Rand, kind etl.LoadKind) (string, []etltest.Change) {
	var text strings.Builder
	var changes []etltest.Change
	for range 25 {
		id, mail := rnd.Int64N(8), " Someone"[rnd.IntN(2):][:6]+string("aAbB"[rnd.IntN(4)])
		n, ver := rnd.Int64N(100), rnd.Int64N(50)
		keyID, keyMail := s.before(id, mail)
		c := etltest.Upsert(keyID, keyMail, n, ver)
		cells := []string{strconv.FormatInt(id, 10), `"` + mail + `"`, strconv.FormatInt(n, 10), strconv.FormatInt(ver, 10)}
		if kind == etl.Incremental {
			op := []string{"U", "I", "D"}[rnd.IntN(3)]
			if cells = append([]string{op}, cells...); op == "D" {
				c.Op = etl.Delete
			}
			if s.olds {
				cells = append(cells, s.old(rnd, &c)...)
			}
		}
		changes = append(changes, c)
		text.WriteString(strings.Join(cells, ",") + "\n")
	}
	return text.String(), changes
}

// old adds an old key, or none.
func (s scenario) old(rnd *rand.Rand, c *etltest.Change) []string {
	if rnd.IntN(3) > 0 {
		return make([]string, len(s.key))
	}
	id, mail := rnd.Int64N(8), "Someon"+string("aAbB"[rnd.IntN(4)])
	oldID, oldMail := s.before(id, mail)
	var cells []string
	var key []any
	for _, k := range s.key {
		if k == "id" {
			cells, key = append(cells, strconv.FormatInt(id, 10)), append(key, oldID)
		} else {
			cells, key = append(cells, mail), append(key, oldMail)
		}
	}
	if c.Op != etl.Delete {
		c.OldKey = key
	}
	return cells
}

func TestKeysOfKeyProviders(t *testing.T) {
	ctx := context.Background()
	t.Setenv("TEST_TOKEN_KEY", "hex:00112233445566778899aabbccddeeff\n")
	k, err := transform.EnvKey("TEST_TOKEN_KEY", "").Key(ctx, "1")
	require.NoError(t, err)
	require.Len(t, k, 16)
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("just sixteen byt\r\n"), 0o600))
	k, err = transform.FileKey(path, "a").Key(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "just sixteen byt", string(k))
	_, err = transform.FileKey(path, "a").Key(ctx, "b")
	require.ErrorIs(t, err, etl.ErrNotFound)
	t.Setenv("TEST_TOKEN_KEY", "base64:???secret")
	_, err = transform.EnvKey("TEST_TOKEN_KEY", "").Key(ctx, "1")
	require.ErrorContains(t, err, "env:TEST_TOKEN_KEY")
	require.NotContains(t, err.Error(), "secret")
}

func TestTokenizeWantsAKey(t *testing.T) {
	ctx := context.Background()
	in, err := transform.LookupRows{Cols: etl.Columns{{Name: "a", Type: etl.String}}, Rows: [][]string{{"x"}}}.Load(ctx)
	require.NoError(t, err)
	short := transform.NewStaticKeys("short", "1", map[string][]byte{"1": []byte("short")})
	_, err = transform.Tokenize(transform.Tokens{Column: "a", Keys: short}).Transform(ctx, in)
	require.ErrorContains(t, err, "fewer than 16 bytes")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	_, err = transform.Tokenize(transform.Tokens{Column: "a"}).Schema(in.Schema())
	require.ErrorContains(t, err, "no key provider")
	d, err := transform.Tokenize(transform.Tokens{Column: "a", Keys: keys()}).(etl.Declarer).Declare()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(d), string(secret))
	require.Equal(t, "k1", d.Options["key_id"], "the current key is named, so that a later one does not make other tokens")
}

func TestOrderingColumnsStayAsTheyAre(t *testing.T) {
	s := scenario{key: []string{"id"}, orders: true}
	for text, tr := range map[string]etl.Transformer{
		"ordering column ver must come through unchanged": transform.Cast(map[string]transform.CastTo{"ver": {Type: etl.String}}),
		"key column id would be of Arrow type float64":    transform.Cast(map[string]transform.CastTo{"id": {Type: etl.Double}}),
	} {
		s.transforms = []etl.Transformer{tr}
		require.ErrorContains(t, s.table().Validate(), text)
	}
	s.transforms = []etl.Transformer{transform.Rename(map[string]string{"ver": "n", "n": "ver"})}
	require.ErrorContains(t, s.table().Validate(), "ordering column ver")
	s.transforms = []etl.Transformer{transform.Drop("ver"), transform.Rename(map[string]string{"n": "ver"})}
	require.ErrorContains(t, s.table().Validate(), "ordering column ver")
}

func TestSensitiveColumnsStaySo(t *testing.T) {
	s := scenario{key: []string{"id"}, transforms: []etl.Transformer{
		transform.Rename(map[string]string{"mail": "email", "n": "mail"}), transform.Trim("email"),
	}}
	table := s.table()
	table.Columns[1].Sensitive = true
	target, err := table.Target()
	require.NoError(t, err)
	require.True(t, target.Columns[target.Columns.Index("email")].Sensitive)
	require.False(t, target.Schema.Field(1).HasMetadata(), "batches carry no mark")
}
