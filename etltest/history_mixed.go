package etltest

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
)

// Mixed returns the same history in files of several tables: the change files of
// AWS DMS become transaction files below "cdc/", in which rows of other tables stand
// between those of the history's. Layout must place
// "cdc/CDC_TXN-20240220110825123.csv" as AWS DMS means it.
func (h *History) Mixed() *History {
	out := *h
	out.Steps = slices.Clone(h.Steps)
	for i := range out.Steps {
		s := &out.Steps[i]
		s.Gone = mixedName(s.Gone)
		s.Land, s.Events = slices.Clone(s.Land), slices.Clone(s.Events)
		for j := range s.Events {
			s.Events[j] = mixedName(s.Events[j])
		}
		for j := range s.Land {
			l := &s.Land[j]
			if name := mixedName(l.Location); name != l.Location {
				l.Location, l.Content = name, mixedContent(l.Content)
			}
		}
	}
	return &out
}

// mixedName returns where a change file is in a mixed history; other names stay.
func mixedName(location string) string {
	rest, ok := strings.CutPrefix(location, "shop/orders/2")
	if !ok {
		return location
	}
	date, clock, _ := strings.Cut(rest, "-")
	return "cdc/CDC_TXN-2" + date + clock
}

// others are records of other tables.
var others = [...][]string{
	{"I", "customers", "shop", "7"},
	{"D", "orders", "archive", "not", "of\nthis", "table"},
	{"Z", "lines", "shop"},
}

func mixedContent(content []byte) []byte {
	records, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		panic("etltest: a history's file is not CSV") // it was written by rowMaker
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for i, r := range records {
		for range (i + len(content)) % 3 {
			_ = w.Write(others[(i+len(content))%len(others)]) // to memory
		}
		_ = w.Write(slices.Concat(r[:1], []string{"orders", "shop"}, r[1:]))
	}
	_ = w.Write(others[len(records)%len(others)])
	w.Flush()
	return b.Bytes()
}
