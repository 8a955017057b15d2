// Package evolution is for tests only: stories of files whose schema changes, with the
// model of what their table holds, and the tests that play them in process.
package evolution
