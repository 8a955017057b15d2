// Package format says what locations and bytes mean.
//
// Layouts turn the location of a file into its table, its kind and its place
// among the files of that table: [DMS] knows the names that AWS DMS gives to
// files, [Pattern] reads names by rules of your own, [Override] places single
// files by hand, and [FirstOf] asks several layouts in turn. A location that no
// layout recognises is never guessed at: it is set aside.
//
// [CSV] is the format of delimited text, [JSONLines] that of one JSON object to a
// line, [Debezium] that of change events, and [DMSTransactions] that of files in which
// AWS DMS keeps the changes of all tables together. Formats that need large libraries
// are packages of their own, as format/parquetformat and format/avroformat.
package format
