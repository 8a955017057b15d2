package etl

// Mode says what the rows of a table are.
type Mode string

// The modes of a table.
const (
	// ModeUpsert keeps one row for a key.
	ModeUpsert Mode = "upsert"
	// ModeAppend keeps every row of every file, each once. The table has no key.
	ModeAppend Mode = "append"
	// ModeSoftDelete keeps one row for a key, deleted ones too: they are marked.
	ModeSoftDelete Mode = "soft_delete"
	// ModeHistory keeps a row for each version of a key, with the span of orders in
	// which it was valid (slowly changing dimension, type 2).
	ModeHistory Mode = "history"
)

// ModeColumns are the columns that Tidemark itself keeps in tables of some modes.
// Empty names stand for those in the comments.
type ModeColumns struct {
	// Deleted (bool) marks deleted rows; DeletedAt (timestamptz) is when: "_deleted"
	// and "_deleted_at". A history has Deleted only.
	Deleted, DeletedAt string
	// ValidFrom and ValidTo bound the orders for which a version is valid, the
	// latter exclusive and null for the newest, for which Current (bool) is set:
	// "_valid_from", "_valid_to", "_current".
	ValidFrom, ValidTo, Current string
}
