// Package rowset is what the stores of bad rows have in common: sets of rows as JSON
// lines, and names for them.
package rowset

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tidemark-data/etl"
)

// Write writes rows, one to a line.
func Write(w io.Writer, rows []etl.BadRow) error {
	enc := json.NewEncoder(w)
	for _, row := range rows {
		if err := enc.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

// Read reads what Write has written.
func Read(r io.Reader) ([]etl.BadRow, error) {
	var rows []etl.BadRow
	for dec := json.NewDecoder(r); ; {
		var row etl.BadRow
		err := dec.Decode(&row)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		var syntax *json.SyntaxError
		var other *json.UnmarshalTypeError
		if errors.As(err, &syntax) || errors.As(err, &other) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New("not what was written") // the library would quote it
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

// Replace puts row in the place of the one of its load and ID, if there is one.
func Replace(kept []etl.BadRow, row etl.BadRow) bool {
	i := slices.IndexFunc(kept, func(k etl.BadRow) bool { return k.LoadID == row.LoadID && k.ID == row.ID })
	if i < 0 {
		return false
	}
	kept[i] = clone(row)
	return true
}

// Without removes rows by their IDs.
func Without(kept []etl.BadRow, ids []string) []etl.BadRow {
	return slices.DeleteFunc(kept, func(k etl.BadRow) bool { return slices.Contains(ids, k.ID) })
}

// NotKept is the error for a row to update that is not there.
func NotKept(row etl.BadRow) error {
	return fmt.Errorf("%w: bad row %q of load %q", etl.ErrNotFound, row.ID, row.LoadID)
}

// Compare is the order of [etl.Quarantine.Rows].
func Compare(a, b etl.BadRow) int {
	return cmp.Or(cmp.Compare(a.LoadID, b.LoadID), cmp.Compare(a.File, b.File), cmp.Compare(a.Row, b.Row), cmp.Compare(a.ID, b.ID))
}

// Clone copies rows.
func Clone(rows []etl.BadRow) []etl.BadRow {
	out := make([]etl.BadRow, len(rows))
	for i, row := range rows {
		out[i] = clone(row)
	}
	return out
}

func clone(r etl.BadRow) etl.BadRow {
	r.Raw, r.Head, r.Key, r.Mended = bytes.Clone(r.Raw), bytes.Clone(r.Head), bytes.Clone(r.Key), bytes.Clone(r.Mended)
	r.OvertakenBy = slices.Clone(r.OvertakenBy)
	if r.Origin != nil {
		origin := *r.Origin
		r.Origin = &origin
	}
	return r
}

// Name makes a name for a file or key of one of a table or set: the same where it has
// nothing but small letters, digits and some signs, else a hash. So names that differ
// only by case stay different where a file system does not tell them apart.
func Name(s string) string {
	plain := len(s) > 0 && len(s) <= 120 && s[0] != '.' && !strings.HasPrefix(s, "x-")
	for _, c := range []byte(s) {
		plain = plain && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.", c) >= 0)
	}
	if plain {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "x-" + hex.EncodeToString(sum[:16])
}
