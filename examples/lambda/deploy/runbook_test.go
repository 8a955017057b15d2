package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/internal/config"
)

// documented returns the commands of docs/aws.md: what it hands to the shell
// function tidemark.
func documented(t *testing.T) []string {
	page, err := os.ReadFile("../../../docs/aws.md")
	require.NoError(t, err)
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^tidemark '(\{.*\})'`).FindAllStringSubmatch(string(page), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestDocumentedCommands: every command of the page is one that the function
// knows. Some fail, as there is nothing for them to do.
func TestDocumentedCommands(t *testing.T) {
	h := newHouse(t)
	h.loaded(h.land("LOAD00000001.csv", "1,Ann,1\n"))
	commands := documented(t)
	require.GreaterOrEqual(t, len(commands), 12)
	verbs := map[string]bool{}
	for _, c := range commands {
		out, err := h.handler.Handle(t.Context(), json.RawMessage(`{"tidemark":`+c+`}`))
		require.NoError(t, err, c)
		a := out.(awsetl.Answer)
		require.NotEmpty(t, a.Verb, c)
		verbs[a.Verb] = true
		for _, wrong := range []string{"malformed", "no such verb", "no such table", "is full or incremental", "no location"} {
			require.NotContains(t, a.Error, wrong, c)
		}
	}
	for _, v := range []string{"status", "history", "plan", "ingest", "pause", "resume", "retry", "skip", "reload", "complete", "classify", "rebuild", "maintain"} {
		require.True(t, verbs[v], "the page says nothing of %s", v)
	}
}

const bad, good = "U,1,Anna,2\nU,x,Bob,2\n", "U,1,Anna,2\nU,2,Bob,2\n"

func (h *house) status() awsetl.StatusAnswer {
	a := h.handle(fmt.Sprintf(verb, "status"))
	require.Len(h.t, a.Status, 1)
	return a.Status[0]
}

// TestPausedTable goes through the page's advice for a bad file.
func TestPausedTable(t *testing.T) {
	h := newHouse(t)
	h.loaded(h.land("LOAD00000001.csv", "1,Ann,1\n"))
	h.handle(h.land("20240220-110825000.csv", bad))
	require.Equal(t, etl.FlagPaused, h.status().State.Flag)
	letter := h.sns.Published()[0]
	require.Equal(t, "Tidemark: table paused: hr.people", letter.Subject)
	for _, line := range []string{
		"What:    Table Paused\nTable:   hr.people\nTime:    ", "File:    hr/people/20240220-110825000.csv\nRow:     2\nColumn:  id\n",
		"\nNext:\n  tidemark status hr.people\n",
	} {
		require.Contains(t, letter.Message, line)
	}

	h.handle(h.land("20240220-110826000.csv", "U,1,Later,3\n"))
	require.Equal(t, 1, h.status().Files[etl.Pending], "it waits, and is not lost")
	h.handle(fmt.Sprintf(verb, "retry"))
	h.handle(schedule)
	require.Equal(t, etl.FlagPaused, h.status().State.Flag, "the file is as bad as before")

	h.handle(h.land("20240220-110825000.csv", good)) // a corrected file under the same key is another file
	h.handle(fmt.Sprintf(verb, "skip"))
	h.loaded(schedule)
	s := h.status()
	require.Equal(t, map[etl.FileStatus]int{etl.Applied: 3, etl.Skipped: 1}, s.Files)
	require.Empty(t, s.Why)
}

// TestLostControlTable goes through the page's advice for a control table that
// is gone.
func TestLostControlTable(t *testing.T) {
	h := newHouse(t)
	h.loaded(h.land("LOAD00000001.csv", "1,Ann,1\n"))
	h.loaded(h.land("20240220-110825000.csv", "U,1,Anna,2\n"))
	h.land("20240220-110826000.csv", "I,2,Bob,1\n") // its event is lost with the rest
	h.coldStart("tidemark-2")
	h.handle(fmt.Sprintf(verb, "rebuild"))
	s := h.status()
	require.Equal(t, etl.FlagPaused, s.State.Flag)
	require.Equal(t, map[etl.FileStatus]int{etl.Applied: 2, etl.Pending: 1}, s.Files)
	h.handle(fmt.Sprintf(verb, "resume"))
	a := h.handle(schedule)
	require.Len(t, a.Tables[0].Loads, 1, "only what the table does not have")
	require.EqualValues(t, 2, a.Tables[0].Loads[0].Counts.RowsAfter)
}

// TestCallsOfALoad counts the calls of a small load, which docs/aws.md prices.
func TestCallsOfALoad(t *testing.T) {
	h := newHouse(t)
	h.loaded(h.land("LOAD00000001.csv", "1,Ann,1\n"))
	h.loaded(h.land("20240220-110825000.csv", "U,1,Anna,2\n"))
	event := h.land("20240220-110826000.csv", "U,1,Annette,3\n")
	ops := map[string]int{}
	h.db.Hook = func(c awstest.DynamoCall) awstest.DynamoFault { ops[c.Op]++; return awstest.DynamoFault{} }
	db, files, catalog, landing := h.db.Calls(), len(h.lake.seen), len(h.glue.Calls()), len(h.landing.Requests())
	h.loaded(event)
	puts := 0
	for _, a := range h.lake.seen[files:] {
		if a.action(t) == "s3:PutObject" {
			puts++
		}
	}
	t.Logf("DynamoDB %d %v, warehouse %d of which PUT %d, Glue %d, landing %d", h.db.Calls()-db, ops, len(h.lake.seen)-files, puts,
		len(h.glue.Calls())-catalog, len(h.landing.Requests())-landing)
	require.LessOrEqual(t, h.db.Calls()-db, 30)
	require.LessOrEqual(t, len(h.lake.seen)-files, 25)
	require.LessOrEqual(t, len(h.glue.Calls())-catalog, 4)
	require.LessOrEqual(t, len(h.landing.Requests())-landing, 4)
}

// TestSampleConfig: the config file beside the templates is one.
func TestSampleConfig(t *testing.T) {
	c, err := config.Load("tidemark.yaml")
	require.NoError(t, err)
	require.Equal(t, "hr.people", c.Tables[0].Name)
}
