// Package etl keeps lake tables in step with files that land in a bucket or a
// folder.
//
// It knows which table a file belongs to and whether the file replaces the
// table (a full load) or changes it (an incremental load). It applies every
// file exactly once, in order, one run per table at a time; it keeps one row
// per primary key; and it commits each load in one atomic snapshot.
//
// # The story of one file
//
// A file lands: "mpd/incidents/20240220-110825123.csv". Somebody notices, by a
// listing or by an event, and calls [Runner.Ingest], or [Runner.Register] and
// [Runner.Drain]. Events are only wake-ups: they may come twice, late, or never.
//
//  1. Classify. The [Layout] reads table, [LoadKind] and order from the
//     location. What no rule recognises is set aside, never guessed at.
//  2. Register. The file becomes a [FileRecord] in the ledger of the
//     [ControlStore], once, however often it is shown.
//  3. Lease. One runner at a time works on a table: a [Lease] of the [Locker],
//     with a fence that only grows. Safety does not rest on the lease but on
//     compare-and-swap, in the control store and in the table.
//  4. Plan. A pure function looks at the table's [State] and at the files that
//     wait, and names the next [Load] or the reason why there is none. While a
//     full load is open, changes wait; small change files share a load.
//  5. Intent. The load, whose ID is derived from its content, is recorded
//     before work begins. Who finds such a record later finishes that work.
//  6. Engine. A first pass over the files reads operations, keys and ordering
//     columns, and settles which change of each key wins. A second pass reads
//     the rows that won, and nothing else. [Transformer] values change them.
//  7. Sink. The [Sink] finds the rows that the table holds under those keys,
//     writes the new ones and commits once. The commit carries the load's ID:
//     a load that is found in the table is not applied again.
//  8. Record. The ledger learns of the [Receipt], and the lease is released.
//
// When a load cannot go through, the table is paused (flag P) with a
// [Diagnosis] that names file, row, column and rule, and files keep being
// registered. [Runner.Retry], [Runner.Skip], [Runner.Reload] and
// [Runner.Resume] are how an operator goes on.
//
// # The rules
//
// Changes of one key are taken in the order of their files and of their rows.
// With ordering columns ([Table.OrderBy]) the greater order wins, also against
// what is committed; a change without an order wins by its position. The rows
// of a full load stand below every change of the same epoch.
//
// Every row read is accounted for ([Counts]); a load whose rows do not add up
// is not committed.
//
// # The packages
//
//	etl                       declarations, state machine, engine, Runner
//	etl/source                folders and memory as sources
//	etl/format                layouts of producers, CSV
//	etl/format/parquetformat  Parquet
//	etl/transform             transforms of rows
//	etl/check                 checks of loads before the commit
//	etl/profile               tables and their sources by figures, compared
//	etl/control               ledger in memory
//	etl/control/sqlitecontrol ledger in SQLite
//	etl/lock                  locks in memory
//	etl/lock/sqlitelock       locks in SQLite
//	etl/sink                  tables in memory
//	etl/sink/icebergsink      Apache Iceberg tables
//	etl/etltest               conformance suites, fault injection, reference model
//	etl/cmd/tidemark          the command for operators
//
// This package and the families import the standard library, Arrow and x/sync
// only. What needs more is in a leaf package: who imports this one and the
// adapters in memory compiles neither Iceberg nor SQLite.
package etl
