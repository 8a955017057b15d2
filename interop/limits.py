"""The one table of what engines are known not to do, on tables whose metadata
is right by the other engines. Each limit is tried on every run, and the run
fails once the engine has no trouble any more."""

import canon

# (engine, feature of a table) -> what happens.
FEATURES = {
    ("clickhouse", "deletion vectors"): "stops with an error, \"Position deletes are supported only for parquet format\"",
}

NOT_OF_ENGINES = "iceberg-go 0.7.0 writes no lower bound for the empty text into manifest lists"
TEMPORAL = ("date", "timestamp", "timestamptz")
PERIODS = ("year", "month", "day", "hour")


def partitioned(table, column, *transforms):
    return any({"column": column, "transform": t} in table.get("partition", []) for t in transforms)


def empty_text(table, name, typ, op, text):
    """Whether the empty text is asked for in a column that partitions the table by it."""
    return typ == "string" and op in ("=", ">=") and text == "" and partitioned(table, name, "identity", "truncate")


def out_of_periods(table, name, typ, op, text):
    return typ in TEMPORAL and text and partitioned(table, name, *PERIODS) and not "1970" <= text < "2149-06"


def uuid_equals(table, name, typ, op, text):
    return typ == "uuid" and op == "="


def uuid_in_bucket(table, name, typ, op, text):
    return uuid_equals(table, name, typ, op, text) and partitioned(table, name, "bucket")


def truncated_decimal(table, name, typ, op, text):
    return canon.decimal_size(typ) and partitioned(table, name, "truncate")


def beyond_file(table, name, typ, op, text):
    """Whether a range holds all values that files from before the column was widened can have."""
    if typ != "long" or not text or name not in table.get("widened", []):
        return False
    return op == "<" and int(text) >= 1 << 31 or op == ">=" and int(text) < -1 << 31


# (engine, which filters) -> what happens. The first one that fits is named.
FILTERS = {
    ("pyiceberg", empty_text): NOT_OF_ENGINES,
    # Since 2026-11-21, with 0.12.0, and the same on tables that it wrote itself: binding to a file's int makes a range
    # beyond it AlwaysTrue. No issue of its own; apache/iceberg-python#3916 is open for IN and NOT IN.
    ("pyiceberg", beyond_file): "nulls meet a range that holds all values of a column before it was widened",
    ("duckdb", uuid_in_bucket): "rows with a UUID are missed in its buckets",
    ("duckdb", truncated_decimal): "truncate of a negative decimal is an internal error",
    ("clickhouse", uuid_equals): "rows with a UUID are missed",
    ("clickhouse", out_of_periods): "partitions of times before 1970 and after 2149 are passed over",
    ("spark", uuid_equals): "UUIDs on both sides of 80000000-... are missed",
    ("spark", empty_text): NOT_OF_ENGINES,
}


def of_table(engine, table):
    """Why the engine is known not to read the table right; None if it is not."""
    return next((f"{f}: {FEATURES[engine, f]}" for f in table.get("features", []) if (engine, f) in FEATURES), None)


def of_filter(engine, table, condition):
    """Why the engine is known to answer the condition wrongly; None if it is not."""
    return next((why for (e, fits), why in FILTERS.items() if e == engine and fits(table, *condition)), None)


def stated(engine):
    """All that is said of an engine."""
    return ([f"{f}: {why}" for (e, f), why in FEATURES.items() if e == engine]
            + [why for (e, _), why in FILTERS.items() if e == engine])
