// Package dynamocontrol keeps the control store in an Amazon DynamoDB table, for
// any number of processes anywhere. One table holds the data tables of a whole
// installation, and the leases of dynamolock too if that is wanted.
//
// # Items
//
//	pk         sk                          what
//	T#<table>  STATE                       version, fence, flags, the state's JSON
//	T#<table>  HIST#<version>              the history entries of one update
//	T#<table>  Q#L#<place><id>!<tag>       hint: a file that is not settled
//	T#<table>  Q#D#<place><id>!<tag>       hint: a file applied, skipped or superseded
//	T#<table>  TX#<id>                     an update in stages
//	T#<table>  BLOB#<tag>#<n>              part of what is too long for its item
//	F#<id>     FILE                        the record of a file, whatever its table
//
// Names and places are escaped so that any bytes come out as printable ASCII of
// the same order. A place is the file's order and location, cut off at 900
// bytes, because a sort key may have 1,024 ("Quotas in Amazon DynamoDB"); files
// of the same cut place are sorted when they are read. Table names too long for a
// partition key are hashed.
//
// A record is found by its ID, so that a file stands in the ledger once. Hints
// give the order of a table's files. They are never changed, only put before the
// record that they lead to and deleted after it has left, so there is always one;
// a hint too many does no harm, because readers believe the record. Queries read
// hints page by page and 100 records at a time; no list is held as a whole.
//
// All reads that decide anything are consistent ones.
//
// # Updates
//
// An update reads the state's fence and version and the records it will write,
// then writes it all in one TransactWriteItems: the state if its version is
// still that one (which every update changes, so that the fence is covered too),
// each record if its revision is still the one that was read.
//
// A transaction takes 100 items and 4 MB. If hints alone are too many, new ones
// are put before it and old ones deleted after it. If the records are too many,
// the update goes in stages, as in Percolator (Peng and Dabek, OSDI 2010):
//
//  1. TX item, open, with the list of the records' IDs. The state names it.
//  2. Each record gets its new content beside the old, and the TX it waits for.
//  3. Hints for new places.
//  4. The commit: one transaction that writes the state, the history entries
//     and the TX as done. Before it, readers who meet such a record see that its
//     TX is not done and take the old content; after it they take the new one.
//  5. Records are put right, old hints and the TX deleted.
//
// Who dies before 4 has changed nothing that readers see; who dies after it has
// changed all of it. Writers of the same state, or of a record that waits, first
// wait themselves: up to [Options.Patience], by their own clocks. Then they take
// the other for dead and make its TX void, upon which its commit fails. So small
// updates, which are quicker, let large ones through, and the dead stop nobody.
// The state remembers that there was a TX; the next update finishes what it finds,
// and voids what is open on an older version, which can no longer commit.
//
// # Errors
//
// Throttled calls, conflicts between transactions and lost answers are tried
// again, under the same idempotency token. Should the outcome of the last
// attempt stay open, the state is read back: it carries the tokens of its last
// updates. [etl.ErrConflict], [etl.ErrStaleFence] and outcome Terminal are
// certain; [etl.ErrUnknownCommit] is returned only if the table cannot be read.
package dynamocontrol
