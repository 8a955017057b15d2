package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
)

// progress shows on a terminal, in one line that is written over, what the
// loads are doing. On anything else it is silent.
type progress struct {
	w    io.Writer
	mu   sync.Mutex
	last time.Time
	line int // runes shown
}

const progressEvery = 100 * time.Millisecond

// newProgress returns the progress line of w, or none where w is no terminal.
func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &progress{w: w, last: time.Now()}
		}
	}
	return nil
}

func (p *progress) observer() etl.Observer {
	if p == nil {
		return etl.Observer{}
	}
	return etl.Observer{
		LoadPlanned: func(l etl.Load) { p.show(true, "%s: %s load of %s", l.Table, l.Kind, plural(len(l.Files), "file")) },
		LoadApplied: func(l etl.Load, r etl.Receipt, d time.Duration) {
			p.show(true, "%s: %s rows applied in %s", l.Table, number(r.Counts.Read), took(d))
		},
		LoadFailed: func(l etl.Load, _ error, attempt int, retryIn time.Duration) {
			if retryIn >= 0 {
				p.show(true, "%s: attempt %d did not go through, again in %s", l.Table, attempt, took(retryIn))
			}
		},
		Staged: func(l etl.Load, _ etl.StagedFile, done, total int) {
			p.show(true, "%s: staged %d of %s", l.Table, done, plural(total, "file"))
		},
		Progress: func(l etl.Load, location string, pass int, rows int64) {
			what := "reading keys"
			if pass > 1 {
				what = "writing rows"
			}
			p.show(false, "%s: %s of %s, %s (%s rows)", l.Table, what, clean(path.Base(location)), filePlace(l, location), number(rows))
		},
	}
}

// filePlace is "file 2 of 5".
func filePlace(l etl.Load, location string) string {
	for i, f := range l.Files {
		if f.Location == location {
			return fmt.Sprintf("file %d of %d", i+1, len(l.Files))
		}
	}
	return plural(len(l.Files), "file")
}

func (p *progress) show(now bool, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !now && time.Since(p.last) < progressEvery {
		return
	}
	text := []rune(fmt.Sprintf(format, args...))
	if len(text) > 100 {
		text = append(text[:99], '…')
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", string(text))
	p.last, p.line = time.Now(), len(text)
}

// clear takes the line away.
func (p *progress) clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line > 0 {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.line = 0
	}
}
