// Package formats holds the tests that put all formats through the same: bad values,
// and the same rows in files of every format.
package formats
