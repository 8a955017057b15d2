package etl

// ContractRule says what happens when files differ from a table's declaration.
type ContractRule string

// The rules of a contract.
const (
	// Evolve changes the table with the load that needs it, where the Iceberg spec
	// allows it ("Schema Evolution"); else what Contract.Else says happens.
	Evolve ContractRule = "evolve"
	// Freeze fails the load and pauses the table.
	Freeze ContractRule = "freeze"
	// Discard leaves the column or the value out.
	Discard ContractRule = "discard"
	// Quarantined sets the rows aside.
	Quarantined ContractRule = "quarantine"
)

// Contract says what happens when files differ from a table's declaration. Empty
// rules are the ones named in the comments.
type Contract struct {
	// New is for columns that are not declared: Discard.
	New ContractRule
	// Missing is for declared columns that a file does not have: Freeze. Evolve makes
	// them null in full loads and unsupplied in change files.
	Missing ContractRule
	// Type is for values of another type than declared: Freeze. Evolve widens the
	// column.
	Type ContractRule
	// Null is for nulls in required columns: Quarantined where there is an error
	// budget. Evolve makes the column optional.
	Null ContractRule
	// Else is for types that cannot be widened so: "new_column", "string",
	// "quarantine" or "pause" (the default).
	Else string
	// Columns are contracts of single columns.
	Columns map[string]Contract
}
