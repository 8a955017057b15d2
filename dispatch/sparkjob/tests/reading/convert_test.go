//go:build spark

package reading

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/internal/textconv"
)

var (
	readings    = flag.Int("readings", 400, "`number` of random files of each format")
	readingSeed = flag.Uint64("reading-seed", 0, "another `seed` for random files")
)

// python runs a script of tests with the job's package.
func python(t *testing.T, script string, args ...string) {
	t.Helper()
	exe, err := filepath.Abs(filepath.Join("..", "..", "..", "..", "interop", ".cache", "venv", "bin", "python"))
	require.NoError(t, err)
	if _, err := os.Stat(exe); err != nil {
		t.Fatal("the job's Python is not there: run interop/setup.sh first")
	}
	cmd := exec.Command(exe, append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", ".."), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestUnits(t *testing.T) { python(t, "test_reading.py") }

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, v))
}

// converted is a column with texts in hexadecimal, and what they are: values or rules.
type converted struct {
	Column dispatch.ManifestColumn `json:"column"`
	Texts  []string                `json:"texts"`
	want   []string
}

// TestConversions compares each conversion with the engine's.
func TestConversions(t *testing.T) {
	r := newRandom(1 + *readingSeed)
	var all []converted
	for range 400 {
		col := r.column("c", false)
		all = append(all, engineConverts(t, r, col))
	}
	dir := t.TempDir()
	writeJSON(t, filepath.Join(dir, "in.json"), all)
	python(t, "convert.py", dir)
	var got [][]string
	readJSON(t, filepath.Join(dir, "out.json"), &got)
	require.Len(t, got, len(all))
	good, bad := 0, 0
	for i, c := range all {
		for j, text := range c.Texts {
			raw, _ := hex.DecodeString(text)
			if c.want[j] != got[i][j] {
				t.Errorf("%v %q in %q: %q, the engine has %q", c.Column.Type, c.Column.Format, c.Column.Zone, raw, c.want[j])
				t.Logf("got %q", got[i][j])
			}
			if c.want[j][0] == '!' {
				bad++
			} else {
				good++
			}
		}
		if t.Failed() && i > 40 {
			break
		}
	}
	t.Logf("%d values, %d of them bad", good+bad, bad)
	require.Greater(t, good, bad/2)
	require.Greater(t, bad, 1000)
}

func engineConverts(t *testing.T, r random, col etl.Column) converted {
	c := converted{Column: dispatch.ManifestColumn(col)}
	b, err := textconv.New(col)
	require.NoError(t, err)
	for range 100 {
		text := r.text(col, 40)
		c.Texts = append(c.Texts, hex.EncodeToString([]byte(text)))
		if rule := b.Append([]byte(text)); rule != "" {
			c.want = append(c.want, "!"+rule)
			continue
		}
		a := b.NewArray()
		c.want = append(c.want, "="+cellOf(a, 0))
		a.Release()
	}
	return c
}
