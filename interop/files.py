"""What PyIceberg finds in the metadata and the files themselves: partition
values, bounds, sort order. None of it shows in rows as long as nobody rests on
it, but engines do."""

import pyarrow as pa
import pyarrow.parquet
from pyiceberg.conversions import from_bytes
from pyiceberg.io.pyarrow import ArrowScan

import canon

COMPARED = ("int", "long", "date", "timestamp", "timestamptz", "string", "binary")


def check(table, iceberg):
    """Checks every live data file of a table, an open PyIceberg table."""
    scan, live = iceberg.scan(), 0
    for task in scan.plan_files():
        rows = ArrowScan(iceberg.metadata, iceberg.io, iceberg.schema(), scan.row_filter).to_table([task])
        check_partition(iceberg, task.file, rows)
        check_bounds(table, iceberg.schema(), task.file, rows)
        check_sorted(table, rows)
        live += len(rows)
    if table.get("features") and (n := scan.count()) != live:  # it reads all files again
        raise AssertionError(f"scan().count() is {n}, and there are {live} rows")


def check_partition(iceberg, file, rows):
    """The partition values in the metadata are those that PyIceberg's own
    transforms make of the rows in the file."""
    for i, field in enumerate(iceberg.spec().fields):
        source = iceberg.schema().find_field(field.source_id)
        transform = field.transform.transform(source.field_type)
        cells = rows.column(source.name)
        if pa.types.is_temporal(cells.type):
            cells = cells.cast(pa.int32() if pa.types.is_date(cells.type) else pa.int64())
        for cell in set(cells.to_pylist()):
            if transform(cell) != file.partition[i]:
                raise AssertionError(f"partition {field.name}: {cell!r} lies in a file of {file.partition[i]!r}")


def check_bounds(table, schema, file, rows):
    """Bounds hold all rows; sensitive columns have none, in metadata and in the
    footer."""
    for column in table["columns"]:
        name, typ = column["name"], column["type"]
        field = schema.find_field(name)
        lower, upper = ((b or {}).get(field.field_id) for b in (file.lower_bounds, file.upper_bounds))
        if name in table.get("sensitive", []):
            if lower is not None or upper is not None:
                raise AssertionError(f"column {name} is sensitive and has bounds")
        elif typ in COMPARED:
            cells = [comparable(c) for c in canon.column(typ, rows.column(name)) if c is not None]
            low, high = (comparable(bound(typ, field.field_type, b)) for b in (lower, upper))
            if cells and (low is not None and low > min(cells) or high is not None and high < max(cells)):
                raise AssertionError(f"column {name}: rows from {min(cells)!r} to {max(cells)!r} in bounds {low!r} and {high!r}")
    check_statistics(table, file)


def bound(typ, field_type, value):
    if value is None:
        return None
    v = from_bytes(field_type, value)
    return canon.canon(typ, v) if typ == "binary" else v


def comparable(v):
    return v.encode() if isinstance(v, str) else v


def check_statistics(table, file):
    sensitive = table.get("sensitive", [])
    if not sensitive:
        return
    footer = pa.parquet.read_metadata(file.file_path.removeprefix("file://"))
    for group in range(footer.num_row_groups):
        for i in range(footer.num_columns):
            chunk = footer.row_group(group).column(i)
            if chunk.path_in_schema in sensitive and chunk.is_stats_set and chunk.statistics.has_min_max:
                raise AssertionError(f"column {chunk.path_in_schema} is sensitive and has statistics in a footer")


def check_sorted(table, rows):
    """Rows of a sorted table come in order, nulls at one end. (Its files have
    one row group here.)"""
    sort = table.get("sort", [])
    if not sort:
        return
    types = {c["name"]: c["type"] for c in table["columns"]}
    keys = list(zip(*(canon.column(types[n], rows.column(n)) for n in sort)))
    orders = [sorted(keys, key=lambda k: [((c is None) == last, comparable(c) if c is not None else 0) for c in k])
              for last in (True, False)]
    if keys not in orders:
        raise AssertionError(f"the rows of a file are not sorted by {', '.join(sort)}")
