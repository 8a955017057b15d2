package differential

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// producer writes the files of a history in the form of another producer than the
// one whose form the history has.
type producer struct {
	*rand.Rand
	t     *testing.T
	h     *etltest.History
	table etl.Table
	write func(rows []map[string]string, kind etl.LoadKind) []byte
	made  map[string][]byte // by what it says: the same content is the same file
}

// newFormatGame is newGame for a table whose files are of a format by the seed: change
// events as JSON, files of several tables, Avro's rows and events.
func newFormatGame(t *testing.T, seed int64, engines ...engine) *game {
	p := &producer{Rand: rand.New(rand.NewPCG(uint64(seed), 3)), t: t, made: map[string][]byte{}}
	layout := etl.Layout(format.DMS{})
	g := newGameOf(t, seed, func(table *etl.Table) { p.table = *table })
	p.h = g.h
	switch p.table.Op = (etl.OpColumn{}); {
	case seed%3 == 0:
		layout = etl.LayoutFunc(mixedChanges)
		g.modeled = p.table.AllowEmpty // a part of a file may be empty
		p.transactions()
	case seed%3 == 1 && g.h.NoSupply == "":
		p.avro()
	default:
		p.events()
	}
	if seed%4 == 2 || seed%5 == 4 { // bad rows are set aside, which the models know nothing of
		p.table.BadRows, g.modeled = etl.ErrorBudget{Rows: 100}, false
	}
	g.rewrite = p.content
	bucket := located{g.bucket, t.TempDir()}
	for _, e := range engines {
		g.lanes = append(g.lanes, newLane(t, bucket, p.table, layout, e))
	}
	return g
}

// mixedChanges is the layout in which change files hold rows of several tables.
func mixedChanges(location string) (etl.Placement, bool) {
	p, ok := format.DMS{}.Place(location)
	if ok && p.Kind == etl.Incremental {
		p.Table, p.Mixed = "", true
	}
	return p, ok
}

// content is what a landing says, as the producer writes it.
func (p *producer) content(l etltest.Landing) []byte {
	place, ok := format.DMS{}.Place(l.Location)
	require.True(p.t, ok)
	key := fmt.Sprint(place.Kind, string(l.Content))
	if made, ok := p.made[key]; ok {
		return made
	}
	names := p.h.ChangeColumns
	if place.Kind == etl.Full {
		names = p.h.FullColumns
	}
	records, err := csv.NewReader(bytes.NewReader(l.Content)).ReadAll()
	require.NoError(p.t, err)
	var rows []map[string]string
	for _, record := range records {
		row := map[string]string{}
		for i, name := range names {
			if record[i] != "NULL" {
				row[name] = record[i]
			}
		}
		rows = append(rows, row)
	}
	p.made[key] = p.write(rows, place.Kind)
	return p.made[key]
}

// transactions mixes the rows of changes with those of another table.
func (p *producer) transactions() {
	text := format.CSV{FullColumns: p.h.FullColumns, ChangeColumns: p.h.ChangeColumns, Null: "NULL"}
	if p.h.NoSupply != "" {
		text.NotSupplied = &p.h.NoSupply
	}
	p.table.Format = format.DMSTransactions{CSV: text}.ForTable(p.table)
	p.table.Op = format.DMSTransactions{}.Op()
	p.write = func(rows []map[string]string, kind etl.LoadKind) []byte {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		for _, row := range rows {
			for kind != etl.Full && p.IntN(3) == 0 {
				require.NoError(p.t, w.Write([]string{"U", "others", "shop", "line\nbreak"}))
			}
			record := []string{}
			if kind != etl.Full {
				record = append(record, row["Op"], "orders", "shop")
			}
			for _, name := range p.columns(kind) {
				value, ok := row[name]
				if !ok {
					value = "NULL"
				}
				record = append(record, value)
			}
			require.NoError(p.t, w.Write(record))
		}
		w.Flush()
		return b.Bytes()
	}
}

// columns are those of the rows, without the operation.
func (p *producer) columns(kind etl.LoadKind) []string {
	if kind == etl.Full {
		return p.h.FullColumns
	}
	return p.h.ChangeColumns[1:]
}

// renamed gives the columns of rows before an update their names in change events.
func (p *producer) renamed() {
	p.table.Op, p.table.OldKey = format.Debezium{}.Op(), slices.Clone(p.table.OldKey)
	for i, key := range p.table.Key[:len(p.table.OldKey)] {
		p.table.OldKey[i] = "__before_" + key
	}
}

// images are the operation of a row's event, the row before it and the one after.
func (p *producer) images(row map[string]string, kind etl.LoadKind) (op string, before, after map[string]string) {
	after = map[string]string{}
	for _, name := range p.h.FullColumns {
		if v, ok := row[name]; ok {
			after[name] = v
		}
	}
	switch {
	case kind == etl.Full:
		return "r", nil, after
	case row["Op"] == "D":
		return "d", after, nil
	}
	for _, key := range p.table.Key {
		if v, ok := row["BI_"+key]; ok {
			if before == nil {
				before = map[string]string{}
			}
			before[key] = v
		}
	}
	return "u", before, after
}

// events writes Debezium's change events, with tombstones after deletes.
func (p *producer) events() {
	p.renamed()
	p.table.Format = format.Debezium{Unavailable: p.h.NoSupply != "", Unit: format.Micros}
	p.write = func(rows []map[string]string, kind etl.LoadKind) []byte {
		var b strings.Builder
		for i, row := range rows {
			op, before, after := p.images(row, kind)
			event := map[string]any{"op": op, "before": p.image(before), "after": p.image(after), "source": map[string]any{"lsn": i}, "ts_ms": i}
			text, err := json.Marshal(event)
			require.NoError(p.t, err)
			fmt.Fprintf(&b, "%s\n", text)
			if op == "d" {
				b.WriteString("null\n")
			}
		}
		return []byte(b.String())
	}
}

func (p *producer) image(row map[string]string) any {
	if row == nil {
		return nil
	}
	out := map[string]any{}
	for _, col := range p.table.Columns {
		text, ok := row[col.Name]
		number := ok && col.Type != etl.String && p.IntN(2) == 0
		switch {
		case !ok:
			out[col.Name] = nil
		case p.h.NoSupply != "" && text == p.h.NoSupply:
			out[col.Name] = "__debezium_unavailable_value"
		case number && col.Type == etl.Timestamp:
			out[col.Name] = p.micros(text)
		case number:
			out[col.Name] = json.Number(text)
		default:
			out[col.Name] = text
		}
	}
	return out
}

func (p *producer) micros(text string) int64 {
	at, err := time.Parse("2006-01-02 15:04:05", strings.Replace(text, "T", " ", 1)[:19])
	require.NoError(p.t, err)
	return at.UnixMicro()
}

// playFormats plays the histories of n seeds, or that of -seed.
func playFormats(t *testing.T, n int, other engine) {
	from, to := *first, *first+int64(n)-1
	if *seed != 0 {
		from, to = *seed, *seed
	}
	kinds, some := map[string]int{}, 0
	for s := from; s <= to; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			g := newFormatGame(t, s, nil, other)
			d, err := g.lanes[0].table.Format.(etl.Declarer).Declare()
			require.NoError(t, err)
			kinds[d.Kind]++
			err = g.play(t.Context(), nil)
			require.NoError(t, err, "-run TestFormats -seed %d, %s: %q", s, d.Kind, causes(t, g))
			got, err := rows(t.Context(), g.lanes[0])
			require.NoError(t, err)
			some += len(got)
		})
	}
	t.Logf("%d histories, formats %v, %d rows at their ends", to-from+1, kinds, some)
	if *seed == 0 {
		require.NotZero(t, some)
	}
}

// TestFormatsInProcess plays histories of tables in other formats than CSV where both
// sides run the same engine.
func TestFormatsInProcess(t *testing.T) {
	t.Parallel()
	playFormats(t, *seeds, inProcess)
}
