package config

import "github.com/tidemark-data/etl"

// tableMode reads what the rows of a table are, and the key, which append tables have
// none of.
func tableMode(o *object, t *etl.Table) {
	if mode := o.get("mode"); mode.given() {
		mode.str((*string)(&t.Mode))
	}
	if names := o.get("mode_columns"); names.given() {
		m := names.object("a mapping with names of columns that the mode adds")
		m.get("deleted").str(&t.ModeColumns.Deleted)
		m.get("deleted_at").str(&t.ModeColumns.DeletedAt)
		m.get("valid_from").str(&t.ModeColumns.ValidFrom)
		m.get("valid_to").str(&t.ModeColumns.ValidTo)
		m.get("current").str(&t.ModeColumns.Current)
		m.done()
	}
	if t.Mode == etl.ModeAppend {
		o.get("key").strings(&t.Key)
		return
	}
	o.need("key").strings(&t.Key)
}
