// Package differential holds tests that take the same random histories through
// two engines, each with a lake and a ledger of its own: the one in this process,
// and one behind a dispatcher. After every step the tables must be equal row by
// row, and so must the receipts in their counts and the ledgers.
//
// Without build tags the other engine is package dispatch's InProcess, which proves
// the comparison. With tag "spark" it is Spark with the job of package sparkjob:
//
//	go test -tags spark ./internal/differential -seeds 50
//
// A history that fails is told with -seed N.
package differential
