package sink

import (
	"slices"
)

// rowSet holds the rows of a table by their keys; rows without a key by load and place.
// Only tables of [etl.ModeHistory] have several rows of a key.
type rowSet map[string][]row

// clone returns a copy that can be changed.
func (s rowSet) clone() rowSet {
	out := make(rowSet, len(s))
	for k, rows := range s {
		out[k] = slices.Clip(rows)
	}
	return out
}

// size counts the rows.
func (s rowSet) size() (n int64) {
	for _, rows := range s {
		n += int64(len(rows))
	}
	return n
}

func (s rowSet) add(key string, r row) { s[key] = append(s[key], r) }

// remove removes those rows of a key for which gone answers, by their places.
func (s rowSet) remove(key string, gone func(at int) bool) {
	var stay []row
	for at, r := range s[key] {
		if !gone(at) {
			stay = append(stay, r)
		}
	}
	if s[key] = stay; len(stay) == 0 {
		delete(s, key)
	}
}
