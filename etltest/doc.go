// Package etltest is the public test kit of Tidemark.
//
// For users' pipelines: [New] makes a lake in memory, in which files land, loads
// run, and processes die where the test says.
//
// For authors of adapters: [Source], [ControlStore], [Locker] and [Sink] are the
// conformance suites that every adapter and every fake of this module passes,
// and [Injector] lets any call fail before or after its effect.
//
// For both: [Model] is the reference model of a table, [LedgerModel] that of its
// ledger, and [NewHistory] makes random histories to compare them with.
package etltest
