"""Writes Parquet files as other writers do, for the test in Go: odd.py FOLDER."""

from __future__ import annotations

import datetime
import decimal
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_N = 10


def columns() -> dict[str, pa.Array]:
    """Types that Arrow keeps beside the Parquet schema, and those of older writers."""
    when = [datetime.datetime(1969 + i, 1, 2, 3, 4, 5, 678900) for i in range(_N)]
    names = [f"name {i % 3}" for i in range(_N)]
    return {
        "dictionary": pa.array(names).dictionary_encode(),
        "large_string": pa.array(names, pa.large_string()),
        "string_view": pa.array(names, pa.string_view()),
        "large_binary": pa.array([n.encode() for n in names], pa.large_binary()),
        "duration": pa.array(range(_N), pa.duration("us")),
        "date64": pa.array([w.date() for w in when], pa.date64()),
        "seconds": pa.array([w.replace(microsecond=0) for w in when], pa.timestamp("s")),
        "berlin": pa.array(when, pa.timestamp("us", "Europe/Berlin")),
        "naive": pa.array(when, pa.timestamp("us")),
        "nanos": pa.array(when, pa.timestamp("ns")),
        "decimal": pa.array([decimal.Decimal(i) / 4 - 1 for i in range(_N)], pa.decimal128(9, 2)),
        "wide": pa.array([decimal.Decimal(i) for i in range(_N)], pa.decimal256(50, 2)),
        "uuid": pa.array([bytes([i]) * 16 for i in range(_N)], pa.uuid()),
        "json": pa.array(["{}"] * _N, pa.json_()),
        "half": pa.array([0.5 * i for i in range(_N)], pa.float16()),
        "uint64": pa.array(range(_N), pa.uint64()),
        "time": pa.array([w.time() for w in when], pa.time64("ns")),
        "null": pa.nulls(_N),
        "list": pa.array([[1]] * _N),
        "struct": pa.array([{"a": 1, "b": "x"}] * _N),
        "map": pa.array([[("k", 1)]] * _N, pa.map_(pa.string(), pa.int32())),
        "dotted.name": pa.array(range(_N)),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    table = pa.table({"id": pa.array(range(_N)), **columns()})
    options: dict[str, dict] = {
        "plain": {},
        "oldest": {"version": "1.0", "coerce_timestamps": "ms", "allow_truncated_timestamps": True},
        "int96": {"use_deprecated_int96_timestamps": True},
        "integers": {"store_decimal_as_integer": True, "data_page_version": "2.0"},
        "bare": {"store_schema": False, "use_dictionary": False, "row_group_size": 3},
    }
    for name, args in options.items():
        pq.write_table(table, folder / f"{name}.parquet", **args)


if __name__ == "__main__":
    main()
