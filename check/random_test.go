package check_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
)

// randomLines are rows of the table people; "-" is null.
func randomLines(random *rand.Rand) []string {
	lines := make([]string, 1+random.IntN(60))
	for i := range lines {
		kind, age := []string{"A", "B", "ab", "", "-"}[random.IntN(5)], strconv.Itoa(random.IntN(13)-6)
		if random.IntN(6) == 0 {
			age = "-"
		}
		at := time.Date(2024, 2, 20, random.IntN(12), 0, 0, 0, time.UTC).Format("2006-01-02 15:04:05Z")
		if random.IntN(3) == 0 {
			at = "-"
		}
		lines[i] = fmt.Sprintf("%d,%s,%s,%s,%s", i, kind, age, fmt.Sprintf("%d.%02d", random.IntN(5), random.IntN(100)), at)
	}
	return lines
}

// TestRandomRows compares what checks refuse with a naive computation on text.
func TestRandomRows(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		lines := randomLines(random)
		low, high := random.IntN(8)-4, random.IntN(8)
		high = max(low, high)
		cheap := random.IntN(500)
		for name, c := range map[string]struct {
			check  etl.Check
			column int
			good   func(cell string) bool
		}{
			"range":   {check.Range("age", strconv.Itoa(low), strconv.Itoa(high)), 2, func(s string) bool { n, _ := strconv.Atoi(s); return n >= low && n <= high }},
			"prices":  {check.Range("price", "", fmt.Sprintf("%d.%02d", cheap/100, cheap%100)), 3, func(s string) bool { f, _ := strconv.ParseFloat(s, 64); return int(f*100+0.5) <= cheap }},
			"allowed": {check.Allowed("kind", "A", ""), 1, func(s string) bool { return s == "A" || s == "" }},
			"pattern": {check.Pattern("kind", "[A-Za]*"), 1, regexp.MustCompile("^[A-Za]*$").MatchString},
		} {
			var want []int
			for i, line := range lines {
				if cell := strings.Split(line, ",")[c.column]; cell != "-" && !c.good(cell) {
					want = append(want, i)
				}
			}
			refused, v := judged(t, c.check, scope(), etl.Counts{}, lines...)
			require.Equal(t, want, refused, "%s %v", name, lines)
			require.Equal(t, len(want) == 0, v.OK)
			require.True(t, strings.HasPrefix(v.Finding, fmt.Sprintf("%d of %d rows ", len(want), len(lines))), v.Finding)
		}
	}
}

// TestRandomLoads compares verdicts on whole loads.
func TestRandomLoads(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		lines := randomLines(random)
		values, kinds, newest := 0, map[string]bool{}, time.Time{}
		for _, line := range lines {
			cells := strings.Split(line, ",")
			if cells[1] != "-" {
				kinds[cells[1]] = true
			}
			if cells[2] != "-" {
				values++
			}
			if at, err := time.Parse("2006-01-02 15:04:05Z", cells[4]); err == nil && at.After(newest) {
				newest = at
			}
		}
		share, within, most := random.Float64()*0.99, time.Duration(random.IntN(12))*time.Hour, random.Int64N(6)
		_, v := judged(t, check.Complete("age", share), scope(), etl.Counts{}, lines...)
		require.Equal(t, float64(values)/float64(len(lines)) >= share, v.OK, "%v %v", share, lines)
		_, v = judged(t, check.Fresh("at", within), scope(), etl.Counts{}, lines...)
		require.Equal(t, newest.IsZero() || scope().Now.Sub(newest) <= within, v.OK, "%v %v", within, lines)
		_, v = judged(t, hllcheck.Distinct("kind", 2, 1+max(1, most)), scope(), etl.Counts{}, lines...)
		require.Equal(t, len(kinds) >= 2 && int64(len(kinds)) <= 1+max(1, most), v.OK, "%v %v", most, lines)
	}
}
