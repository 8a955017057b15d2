"""PyIceberg's side: Table.upsert of the latest change of each key. Its change
files have no deletes, which upsert does not know."""

import resource

import pyarrow as pa
import pyarrow.csv
from pyiceberg.catalog.sql import SqlCatalog

from common import Work, task

ARROW = {"long": pa.int64(), "int": pa.int32(), "string": pa.string(), "timestamp": pa.timestamp("us"), "date": pa.date32(),
         "bool": pa.bool_(), "double": pa.float64()}


def arrow_type(typ):
    if typ.startswith("decimal("):
        return pa.decimal128(*(int(n) for n in typ[8:-1].split(",")))
    return ARROW[typ]


def changes(t, schema):
    names = [c["name"] for c in t["columns"]]
    options = pa.csv.ConvertOptions(column_types={c["name"]: arrow_type(c["type"]) for c in t["columns"]},
                                    include_columns=names)
    rows = pa.concat_tables(
        pa.csv.read_csv(f, pa.csv.ReadOptions(column_names=[t["op"]] + names), convert_options=options) for f in t["files"])
    rows = rows.sort_by([(t["key"], "ascending"), (t["order"], "descending")])
    keys = rows[t["key"]].combine_chunks()
    first = pa.concat_arrays([pa.array([True]), pa.compute.not_equal(keys[1:], keys[:-1])])
    return rows.filter(first).cast(schema)


def main():
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))  # it fails rather than the machine
    t = task()
    with Work() as report:
        catalog = SqlCatalog("tidemark", uri="sqlite:///" + t["catalog"], warehouse=t["warehouse"])
        table = catalog.load_table(t["table"])
        result = table.upsert(changes(t, table.schema().as_arrow()), join_cols=[t["key"]])
        report["updated"], report["inserted"] = result.rows_updated, result.rows_inserted
        report["metadata"] = table.metadata_location


main()
