package config

import (
	"github.com/tidemark-data/etl"
)

// quarantined reads where bad rows are kept.
func quarantined(v value) (folder string) {
	o := v.object("a mapping with folder")
	if v.given() {
		o.need("folder").str(&folder)
	}
	o.done()
	return folder
}

// badRows reads a table's budget for bad rows.
func badRows(v value) (b etl.ErrorBudget) {
	o := v.object("a mapping with rows and share")
	if rows := o.get("rows"); rows.given() {
		rows.int64(&b.Rows)
	}
	if share := o.get("share"); share.given() {
		share.share(&b.Share)
	}
	o.done()
	return b
}

// needsQuarantine reports tables with a budget where there is no place for the rows.
func needsQuarantine(v value, c *Config) {
	if c.Quarantine != "" {
		return
	}
	for i, t := range c.Tables {
		if t.BadRows == (etl.ErrorBudget{}) {
			continue
		}
		if items := v.list(""); i < len(items) {
			items[i].bad("bad_rows needs quarantine: {folder: ...} at the top")
		}
	}
}
