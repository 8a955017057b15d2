"""Tidemark's merge on Spark: the same rules as the engine in Go, on the same tables."""
