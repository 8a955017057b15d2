// Package chicago holds a test that takes two years of real crime reports
// through the command, and compares the table with an independent computation.
// It needs data that is too large to ship (see docs/data.md) and is skipped
// without it.
package chicago
