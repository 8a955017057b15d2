// Package library holds the example of the README: Tidemark as a library, with
// everything in memory. See example_test.go.
package library
