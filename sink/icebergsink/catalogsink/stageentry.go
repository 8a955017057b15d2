package catalogsink

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemark-data/etl"
)

// stagedEntry says what is staged of a file. The summary of the branch's head holds
// one for each: the index and these fields, with blanks between them and semicolons
// between entries.
type stagedEntry struct {
	run    string // of the manifest's name and the sheet's
	counts etl.Counts
	bytes  int64
	files  int
	sheet  bool // there is one
}

func (e stagedEntry) file(i int, id string) etl.StagedFile {
	return etl.StagedFile{Index: i, ID: id, Counts: e.counts, Bytes: e.bytes, Files: e.files}
}

func formatStaged(files map[int]stagedEntry) string {
	var b strings.Builder
	for _, i := range slices.Sorted(maps.Keys(files)) {
		e, sheet := files[i], 0
		if e.sheet {
			sheet = 1
		}
		c := e.counts
		fmt.Fprintf(&b, "%d %s %d %d %d %d %d %d %d %d %d;", i, e.run, c.Read, c.Inserted, c.Superseded, c.Unchanged,
			c.Filtered, c.Quarantined, e.bytes, e.files, sheet)
	}
	return b.String()
}

var errStagedList = errors.New("its list of staged files cannot be read")

func parseStaged(text string) (map[int]stagedEntry, error) {
	out := map[int]stagedEntry{}
	for part := range strings.SplitSeq(text, ";") {
		if part == "" {
			continue
		}
		fields := strings.Split(part, " ")
		if len(fields) != 11 {
			return nil, errStagedList
		}
		n := make([]int64, len(fields))
		for i, f := range fields {
			if i == 1 {
				continue
			}
			var err error
			if n[i], err = strconv.ParseInt(f, 10, 64); err != nil || n[i] < 0 {
				return nil, errStagedList
			}
		}
		if fields[1] == "" || strings.ContainsAny(fields[1], "/\\") {
			return nil, errStagedList
		}
		out[int(n[0])] = stagedEntry{
			run: fields[1], bytes: n[8], files: int(n[9]), sheet: n[10] == 1,
			counts: etl.Counts{Read: n[2], Inserted: n[3], Superseded: n[4], Unchanged: n[5], Filtered: n[6], Quarantined: n[7]},
		}
	}
	return out, nil
}
