package observer

import (
	"time"

	"github.com/tidemark-data/etl"
)

// Join returns an observer that tells each of several, in their order.
func Join(all ...etl.Observer) etl.Observer {
	return etl.Observer{
		Registered: func(r etl.FileRecord) {
			for _, o := range all {
				if o.Registered != nil {
					o.Registered(r)
				}
			}
		},
		LoadPlanned: func(l etl.Load) {
			for _, o := range all {
				if o.LoadPlanned != nil {
					o.LoadPlanned(l)
				}
			}
		},
		LoadApplied: func(l etl.Load, r etl.Receipt, took time.Duration) {
			for _, o := range all {
				if o.LoadApplied != nil {
					o.LoadApplied(l, r, took)
				}
			}
		},
		LoadFailed: func(l etl.Load, err error, attempt int, retryIn time.Duration) {
			for _, o := range all {
				if o.LoadFailed != nil {
					o.LoadFailed(l, err, attempt, retryIn)
				}
			}
		},
		Staged: func(l etl.Load, f etl.StagedFile, done, total int) {
			for _, o := range all {
				if o.Staged != nil {
					o.Staged(l, f, done, total)
				}
			}
		},
		Checked: func(l etl.Load, c etl.Checked) {
			for _, o := range all {
				if o.Checked != nil {
					o.Checked(l, c)
				}
			}
		},
		Quarantined: func(l etl.Load, rows []etl.BadRow) {
			for _, o := range all {
				if o.Quarantined != nil {
					o.Quarantined(l, rows)
				}
			}
		},
		Evolved: func(l etl.Load, c etl.SchemaChange) {
			for _, o := range all {
				if o.Evolved != nil {
					o.Evolved(l, c)
				}
			}
		},
		Paused: func(table string, d etl.Diagnosis) {
			for _, o := range all {
				if o.Paused != nil {
					o.Paused(table, d)
				}
			}
		},
		Progress: func(l etl.Load, location string, pass int, rows int64) {
			for _, o := range all {
				if o.Progress != nil {
					o.Progress(l, location, pass, rows)
				}
			}
		},
	}
}
