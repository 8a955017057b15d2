package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
)

// outcome is what a step must lead to: the rows of sales without their tokens, and
// how many of them it wrote.
type outcome struct {
	rows              []string
	inserted, updated int64
	removed           int64
	quiet             bool
}

var outcomes = []outcome{
	{inserted: 3, rows: []string{
		"1001|Final|2024-07-01T20:00:00|Arena|Springfield|Ada|***********1111|50.00",
		"1002|Final|2024-07-01T20:00:00|Arena|Springfield|Bo|***********2222|45.50",
		"1003|Derby|2024-07-02T19:30:00|Dome|Shelbyville|Ada|***********1111|30.00",
	}},
	{inserted: 1, updated: 1, removed: 1, rows: []string{
		"1001|Final|2024-07-01T20:00:00|Arena|Springfield|Ada|***********1111|50.00",
		"1002|Final|2024-07-01T20:00:00|Arena|Springfield|Bo|***********2222|40.00",
		"1004|Derby|2024-07-02T19:30:00|Dome|Shelbyville|Bo|***********2222|30.00",
	}},
	{updated: 1, rows: []string{
		"1001|Final|2024-07-01T20:00:00|Arena|Springfield|Ada|***********3333|50.00",
		"1002|Final|2024-07-01T20:00:00|Arena|Springfield|Bo|***********2222|40.00",
		"1004|Derby|2024-07-02T19:30:00|Dome|Shelbyville|Bo|***********2222|30.00",
	}},
	{updated: 3, rows: []string{
		"1001|Final|2024-07-01T20:00:00|Grand Arena|Springfield|Ada|***********3333|50.00",
		"1002|Final|2024-07-01T20:00:00|Grand Arena|Springfield|Bo|***********2222|40.00",
		"1004|Derby|2024-07-02T19:30:00|Grand Arena|Springfield|Bo|***********2222|30.00",
	}},
	{inserted: 1, rows: []string{
		"1001|Final|2024-07-01T20:00:00|Grand Arena|Springfield|Ada|***********3333|50.00",
		"1002|Final|2024-07-01T20:00:00|Grand Arena|Springfield|Bo|***********2222|40.00",
		"1004|Derby|2024-07-02T19:30:00|Grand Arena|Springfield|Bo|***********2222|30.00",
		"1005|Final|2024-07-01T20:00:00|Grand Arena|Springfield|-|-|55.00",
	}},
	{updated: 3, rows: []string{
		"1001|Final|2024-07-01T20:00:00|Grand Arena|Springfield|Ada|***********3333|50.00",
		"1002|Final|2024-07-01T20:00:00|Grand Arena|Springfield|-|-|40.00",
		"1004|Derby|2024-07-02T19:30:00|Grand Arena|Springfield|-|-|30.00",
		"1005|Final|2024-07-01T20:00:00|Grand Arena|Springfield|Cy|***********4444|55.00",
	}},
	{quiet: true},
}

func TestSportEvent(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef")
	keys := transform.NewStaticKeys("test", "k1", map[string][]byte{"k1": key})
	outcomes := append([]outcome{}, outcomes...)
	outcomes[6].rows = outcomes[5].rows
	tokens := map[string]string{} // of ticket 1001, by the phone beside it
	n := 0
	require.NoError(t, play(t.Context(), t.TempDir(), keys, func(s step, w *world, reports []etl.Report) error {
		want := outcomes[n]
		n++
		rows, err := tableRows(t.Context(), w.lake, sales)
		require.NoError(t, err)
		require.Equal(t, []string{"ticket_id", "title", "starts_at", "venue", "city", "name", "email_token", "phone", "price"}, rows[0])
		var got []string
		for _, row := range rows[1:] {
			token := row[6]
			require.NotContains(t, token, "@")
			require.Equal(t, row[5] == "-", token == "-", s.title)
			if row[0] == "1001" {
				if was, seen := tokens[row[7]]; seen {
					require.Equal(t, was, token, "tokens are stable")
				}
				tokens[row[7]] = token
			}
			got = append(got, strings.Join(append(row[:6:6], row[7:]...), "|"))
		}
		require.Equal(t, want.rows, got, s.title)
		loads := reports[1].Tables
		if want.quiet {
			for _, r := range reports {
				for _, table := range r.Tables {
					require.Empty(t, table.Loads)
				}
			}
			return nil
		}
		require.Len(t, loads, 1)
		require.Len(t, loads[0].Loads, 1)
		c := loads[0].Loads[0].Receipt.Counts
		require.Equal(t, fmt.Sprint(want.inserted, want.updated, want.removed), fmt.Sprint(c.Inserted, c.Updated, c.Deleted+c.RemovedAsAbsent), s.title)
		return nil
	}))
	require.Equal(t, len(steps), n)
	require.Len(t, tokens, 2, "another address has another token")
}

func TestNothingPersonalIsPrinted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Contains(t, out.String(), "Grand Arena")
	require.NotContains(t, out.String(), "@example")
	require.NotContains(t, out.String(), "555")
}
