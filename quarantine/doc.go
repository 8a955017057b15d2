// Package quarantine holds the implementations of [etl.Quarantine] that need nothing
// but the standard library: one in memory and one in a folder.
//
// What they keep are rows as they stood in the files, values and all. It belongs
// where only those may read it who may read the files.
package quarantine
