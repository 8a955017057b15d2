// Package gen makes the data of the benchmarks: an orders table of nine columns
// and changes to it. Every row is a function of a seed and of its number, so
// that it can be made at any time, in any order and without memory of others.
package gen

import "github.com/tidemark-data/etl"

// Spec describes a file. It is JSON in the files that [Made] reads.
type Spec struct {
	Seed uint64 `json:"seed"`
	// Base is the number of rows of the table: keys 1 to Base.
	Base int64 `json:"base"`
	// Changes is the number of changes; zero means the full load itself.
	Changes int64 `json:"changes,omitempty"`
	// Distinct is the number of distinct keys of the changes, Hits how many of
	// those are keys of the table. The others follow on the table's.
	Distinct int64 `json:"distinct,omitempty"`
	Hits     int64 `json:"hits,omitempty"`
	// DeletePercent of the changes to the table's keys are deletes.
	DeletePercent uint64 `json:"delete_percent,omitempty"`
	// Scattered has the keys of a full load come in no order.
	Scattered bool `json:"scattered,omitempty"`
}

// Rows is the number of rows of the file.
func (s Spec) Rows() int64 {
	if s.Changes > 0 {
		return s.Changes
	}
	return s.Base
}

// ChangesOf returns the changes that all works use: of a million, 775,000 keys are
// distinct and 476,000 in the table. Small tables have fewer hits.
func ChangesOf(seed uint64, base, changes int64, deletePercent uint64) Spec {
	s := Spec{Seed: seed, Base: base, Changes: changes, DeletePercent: deletePercent}
	s.Distinct = changes * 775 / 1000
	s.Hits = min(changes*476/1000, base*9/10)
	return s
}

// Row is one row, with its operation where it is a change.
type Row struct {
	Op        byte
	ID        int64
	UpdatedAt int64 // microseconds since 1970
	Account   int64
	Status    string
	Country   string
	Amount    int64 // hundredths
	Quantity  int32
	Created   int32 // days since 1970
	words     uint64
}

// Columns are those of the table.
func Columns() etl.Columns {
	return etl.Columns{
		{Name: "id", Type: etl.Long},
		{Name: "updated_at", Type: etl.Timestamp},
		{Name: "account", Type: etl.Long},
		{Name: "status", Type: etl.String},
		{Name: "country", Type: etl.String},
		{Name: "amount", Type: etl.Decimal(12, 2)},
		{Name: "quantity", Type: etl.Int},
		{Name: "created", Type: etl.Date},
		{Name: "note", Type: etl.String},
	}
}

const (
	baseTime   = 1_704_067_200_000_000 // 2024-01-01
	changeTime = 1_717_200_000_000_000 // 2024-06-01
)

var (
	statuses  = [...]string{"new", "paid", "packed", "shipped", "delivered", "returned", "cancelled", "on hold"}
	countries = [...]string{"AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "GR", "HU", "IE", "IT", "NL", "NO", "PL", "PT", "RO", "SE", "US"}
	syllables = [...]string{"ka", "mo", "ri", "te", "lun", "sa", "ver", "do", "pin", "ba", "shu", "el", "gor", "ni", "tra", "wo"}
)

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Maker makes the rows of a spec.
type Maker struct {
	spec        Spec
	slots, keys permutation
}

// New returns the maker of a spec's rows.
func New(s Spec) *Maker {
	m := &Maker{spec: s}
	if s.Changes > 0 {
		m.slots = newPermutation(uint64(s.Changes), mix(s.Seed+1))
	}
	if s.Changes > 0 || s.Scattered {
		m.keys = newPermutation(uint64(s.Base), mix(s.Seed+2))
	}
	return m
}

// Key returns key and ordering value of row i, counted from 0.
func (m *Maker) Key(i int64) (id, updatedAt int64) {
	if m.spec.Changes == 0 && m.spec.Scattered {
		return int64(m.keys.at(uint64(i))) + 1, baseTime + i*1000
	}
	if m.spec.Changes == 0 {
		return i + 1, baseTime + i*1000
	}
	n := int64(m.slots.at(uint64(i)))
	if n >= m.spec.Distinct {
		n = int64(mix(m.spec.Seed^uint64(i)<<20) % uint64(m.spec.Distinct))
	}
	// Neighbours come out of order, but no two changes have the same time.
	at := changeTime + (i^5)*1000
	if n < m.spec.Hits {
		return int64(m.keys.at(uint64(n))) + 1, at
	}
	return m.spec.Base + 1 + n - m.spec.Hits, at
}

// Op returns the operation of row i with that key: 'I', 'U', 'D', or 0 in a full load.
func (m *Maker) Op(i, id int64) byte {
	switch {
	case m.spec.Changes == 0:
		return 0
	case id > m.spec.Base:
		return 'I'
	case mix(uint64(i)+m.spec.Seed<<32)%100 < m.spec.DeletePercent:
		return 'D'
	}
	return 'U'
}

// Row makes row i, counted from 0.
func (m *Maker) Row(i int64) Row {
	id, at := m.Key(i)
	x := mix(uint64(id)<<24 ^ uint64(at) ^ m.spec.Seed)
	y := mix(x)
	return Row{
		Op: m.Op(i, id), ID: id, UpdatedAt: at,
		Account: int64(x % 900_000), Status: statuses[x>>40&7], Country: countries[x>>48%uint64(len(countries))],
		Amount: int64(y % 9_000_000), Quantity: int32(y>>32%50) + 1, Created: 19_000 + int32(y>>48%800),
		words: mix(y),
	}
}

// AppendNote appends the note: twelve words of a vocabulary of some hundred.
func (r *Row) AppendNote(b []byte) []byte {
	x := r.words
	for w := range 12 {
		if w == 8 {
			x = mix(r.words)
		}
		if w > 0 {
			b = append(b, ' ')
		}
		b = append(b, syllables[x&15]...)
		b = append(b, syllables[x>>4&15]...)
		if x&3 == 0 {
			b = append(b, syllables[(x>>2^x>>4)&15]...)
		}
		x >>= 8
	}
	return b
}

// permutation is a random bijection of 0..n-1: a Feistel network over the next
// power of two, walked until it is inside.
type permutation struct {
	n, key    uint64
	low, high uint // bits of the halves
}

func newPermutation(n, key uint64) permutation {
	bits := uint(2)
	for 1<<bits < n {
		bits++
	}
	return permutation{n: n, key: key, low: bits / 2, high: bits - bits/2}
}

func (p permutation) at(x uint64) uint64 {
	for {
		l, r := x>>p.low, x&(1<<p.low-1)
		for round := range uint64(4) {
			l ^= mix(r^p.key+round) & (1<<p.high - 1)
			r ^= mix(l^p.key+round<<8) & (1<<p.low - 1)
		}
		if x = l<<p.low | r; x < p.n {
			return x
		}
	}
}
