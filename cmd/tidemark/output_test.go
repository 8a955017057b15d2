package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func TestGrid(t *testing.T) {
	g := newGrid("NAME", ">N", "REST")
	g.add("Zoë", "5", "")
	g.add("a", "1,000", "x")
	var out bytes.Buffer
	require.NoError(t, g.write(&out))
	require.Equal(t, "NAME      N  REST\nZoë       5\na     1,000  x\n", out.String())
}

func TestTexts(t *testing.T) {
	require.Equal(t, "5,735", number(5735))
	require.Equal(t, "-1,234,567", number(-1234567))
	require.Equal(t, "999", number(999))
	require.Equal(t, "1 file", plural(1, "file"))
	require.Equal(t, "1,500 files", plural(1500, "file"))
	require.Equal(t, []string{"", "4s", "12m", "9h", "3d"},
		[]string{age(0), age(4 * time.Second), age(12 * time.Minute), age(9 * time.Hour), age(80 * time.Hour)})
	require.Equal(t, "1.5 KiB", bytesText(1536))
	require.Equal(t, "one; two", clean("one\ntwo\n"))
	require.Equal(t, `"\x1b[2J"`, clean("\x1b[2J"))
	require.Equal(t, "-", moment(time.Time{}))
	require.Equal(t, "P(auto)", flagText(etl.FlagPaused, etl.FlagAuto))
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out}
	o := p.observer()
	load := etl.Load{Table: "a.b", Kind: etl.Incremental, Files: []etl.File{{Location: "x/1.csv"}, {Location: "x/\x1b2.csv"}}}
	o.LoadPlanned(load)
	require.Contains(t, out.String(), "a.b: incremental load of 2 files")
	o.Progress(load, "x/\x1b2.csv", 2, 70000)
	require.NotContains(t, out.String(), "70,000", "too soon after the last line")
	p.last = time.Time{}
	o.Progress(load, "x/\x1b2.csv", 2, 70000)
	require.Contains(t, out.String(), `a.b: writing rows of "\x1b2.csv", file 2 of 2 (70,000 rows)`)
	o.LoadFailed(load, errors.New("x"), 1, time.Second)
	require.Contains(t, out.String(), "attempt 1 did not go through, again in 1s")
	p.clear()
	require.True(t, bytes.HasSuffix(out.Bytes(), []byte("\r\x1b[K")))
	newProgress(&out).clear() // no terminal: nothing to clear
	require.Nil(t, newProgress(&out).observer().Progress)
}

func TestParseMixed(t *testing.T) {
	a := &app{}
	rest, err := parseMixed(a.flagSet("x"), []string{"one", "--json", "two", "-c", "f", "--", "-v", "three"})
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two", "-v", "three"}, rest)
	require.True(t, a.json)
	require.Equal(t, "f", a.configPath)
	require.False(t, a.verbose)
}

func TestCommandIsQuoted(t *testing.T) {
	require.Equal(t, "tidemark retry a.b", (&app{configPath: "tidemark.yaml"}).command("retry a.b"))
	require.Equal(t, `tidemark -c 'my lake/it'\''s.yaml' skip a.b`, (&app{configPath: "my lake/it's.yaml"}).command("skip a.b"))
}
