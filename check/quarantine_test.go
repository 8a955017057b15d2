package check_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/transform/celtransform"
)

// TestQuarantine sets refused rows aside within the error budget, and pauses past it.
func TestQuarantine(t *testing.T) {
	table := people(
		etl.TableCheck{Check: check.Range("age", "0", "120"), Action: etl.CheckQuarantine},
		etl.TableCheck{Check: check.Unique("kind"), Action: etl.CheckQuarantine},
	)
	table.BadRows = etl.ErrorBudget{Rows: 2}
	for name, full := range map[string]string{
		"one pass":   "1,A,10,1,\n2,B,999,1,\n3,A,30,1,\n4,,40,1,\n",
		"two passes": "4,,40,1,\n1,A,10,1,\n3,A,30,1,\n2,B,999,1,\n",
	} {
		t.Run(name, func(t *testing.T) {
			lake := etltest.New(t, table)
			lake.Land("a/people/LOAD00000001.csv", full)
			rep := lake.Ingest()
			lake.Want("a.people", etltest.Rows{{1, "A", 10, 1, nil}, {4, nil, 40, 1, nil}})
			receipt := rep.Tables[0].Loads[0].Receipt
			require.EqualValues(t, 2, receipt.Counts.Quarantined)
			require.True(t, receipt.Checks[0].OK)
			rules := map[string]bool{}
			for r, err := range lake.Quarantine.Rows(t.Context(), "a.people") {
				require.NoError(t, err)
				rules[r.Rule] = true
			}
			require.Equal(t, map[string]bool{"refused by check range(age)": true, "refused by check unique(kind)": true}, rules)

			lake.Land("a/people/20240220-110825123.csv", "I,5,X,-1,1,\nI,6,Y,-1,1,\nI,7,Z,-1,1,\n")
			require.ErrorContains(t, lake.IngestError(), "refused by check range(age)")
			lake.Want("a.people", etltest.Rows{{1, "A", 10, 1, nil}, {4, nil, 40, 1, nil}})
		})
	}
}

// TestQuarantineWithoutBudget pauses.
func TestQuarantineWithoutBudget(t *testing.T) {
	lake := etltest.New(t, people(etl.TableCheck{Check: check.Range("age", "0", "120"), Action: etl.CheckQuarantine}))
	lake.Land("a/people/LOAD00000001.csv", "1,A,10,1,\n2,B,999,1,\n")
	require.EqualError(t, lake.IngestError(), "table a.people: row 2 of a/people/LOAD00000001.csv: column age: refused: check range(age): 1 of 2 rows are outside the range")
}

// TestQuarantineOfAppended: rows without keys are found in their file, though a filter
// has dropped others.
func TestQuarantineOfAppended(t *testing.T) {
	table := people(etl.TableCheck{Check: check.Range("age", "0", "120"), Action: etl.CheckQuarantine})
	table.Mode, table.Key, table.Op = etl.ModeAppend, nil, etl.OpColumn{}
	table.Format = format.CSV{}
	table.Transforms = []etl.Transformer{celtransform.Where("kind != 'X'")}
	for name, budget := range map[string]int64{"within the budget": 2, "beyond it": 1} {
		t.Run(name, func(t *testing.T) {
			table.BadRows = etl.ErrorBudget{Rows: budget}
			lake := etltest.New(t, table)
			lake.Land("a/people/LOAD00000001.csv", "1,X,10,1,\n2,A,999,1,\n3,X,999,1,\n4,B,30,1,\n5,X,1,1,\n6,C,-1,1,\n")
			if budget < 2 {
				require.ErrorContains(t, lake.IngestError(), "a/people/LOAD00000001.csv")
				return
			}
			rep := lake.Ingest()
			lake.Want("a.people", etltest.Rows{{4, "B", 30, 1, nil}})
			counts := rep.Tables[0].Loads[0].Receipt.Counts
			require.Equal(t, []int64{6, 1, 3, 2}, []int64{counts.Read, counts.Inserted, counts.Filtered, counts.Quarantined})
			var rows []int64
			for r, err := range lake.Quarantine.Rows(t.Context(), "a.people") {
				require.NoError(t, err)
				rows = append(rows, r.Row)
			}
			require.ElementsMatch(t, []int64{2, 6}, rows)
		})
	}
}
