package config

import "github.com/tidemark-data/etl"

// tableMode reads what the rows of a table are, and the key, which append tables have
// none of.
func tableMode(o *object, t *etl.Table) {
	if mode := o.get("mode"); mode.given() {
		mode.str((*string)(&t.Mode))
	}
	if names := o.get("mode_columns"); names.given() {
		m := names.object("a mapping with deleted and deleted_at")
		m.get("deleted").str(&t.ModeColumns.Deleted)
		m.get("deleted_at").str(&t.ModeColumns.DeletedAt)
		m.done()
	}
	if t.Mode == etl.ModeAppend {
		o.get("key").strings(&t.Key)
		return
	}
	o.need("key").strings(&t.Key)
}
