package gluesink_test

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// kind says what a request is for.
func (r request) kind() string {
	what := "other"
	switch {
	case strings.HasSuffix(r.key, ".metadata.json"):
		what = "metadata"
	case strings.Contains(r.key, "/snap-"):
		what = "manifest list"
	case strings.HasSuffix(r.key, ".avro"):
		what = "manifest"
	case strings.Contains(r.key, ".tidemark/"):
		what = "side file"
	case strings.Contains(r.key, "delete"):
		what = "delete file"
	case strings.HasSuffix(r.key, ".parquet"):
		what = "data file"
	}
	if strings.Contains(r.query, "uploads") || strings.Contains(r.query, "partNumber") || strings.Contains(r.query, "uploadId") {
		what += " (part)"
	}
	if r.method == "GET" && r.rng == "" && what != "metadata" {
		what += " (whole)"
	}
	return r.method + " " + what
}

func tally(rs []request) (string, map[string]int) {
	n := map[string]int{}
	for _, r := range rs {
		n[r.kind()]++
	}
	var lines []string
	for k, v := range n {
		lines = append(lines, fmt.Sprintf("%s: %d", k, v))
	}
	sort.Strings(lines)
	return strings.Join(lines, ", "), n
}

// What a load asks of S3 and Glue. A change in these numbers is a change of
// the bill and of the latency of each load.
func TestRequestsPerLoad(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.open()
	l := newLoader(t, people())
	var rows strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&rows, "%d,name of person %d\n", i, i*7919)
	}
	l.apply(s, etl.Full, rows.String())
	before := len(c.glue.Calls())
	for i := range 3 {
		c.requests.take()
		l.apply(s, etl.Incremental, "U,50000,Anne\nD,70000,\nI,200000,Cy\n")
		all := c.requests.take()
		text, n := tally(all)
		t.Logf("%d requests to S3 for a load: %s", len(all), text)
		for kind := range n {
			require.NotContains(t, kind, "(whole)", "an object is asked for whole to read a part of it")
			require.NotContains(t, kind, "GET manifest", "what this process has written is in memory")
		}
		require.Equal(t, 6, n["PUT data file"]+n["PUT delete file"]+n["PUT manifest list"]+n["PUT manifest"]+n["PUT metadata"])
		require.LessOrEqual(t, len(all), 14+2*i)
	}
	require.Equal(t, 9, len(c.glue.Calls())-before, "a load is two GetTable and one UpdateTable")
}
