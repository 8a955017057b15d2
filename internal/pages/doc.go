// Package pages reads and writes flat Parquet files at the level of their
// pages: page headers, encodings, column chunks and the footer.
//
// It covers what Tidemark's tables need, top-level columns without nesting, and
// works straight from the buffers of Arrow arrays. The rules are those of
// https://github.com/apache/parquet-format (README.md, Encodings.md and
// parquet.thrift); which physical and logical types columns have is decided by
// the appendix "Parquet" of the Iceberg specification.
package pages
