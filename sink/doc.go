// Package sink holds the table stores that need nothing but the standard
// library and Arrow: [Memory], for tests of pipelines. Tables that last are in
// leaf packages, as sink/icebergsink.
package sink
