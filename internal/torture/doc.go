// Package torture holds tests that run whole histories through the Runner and
// compare its tables and its ledger with the reference models of etltest: random
// ones, ones with a fault at every point in turn, and ones with rivals.
package torture
