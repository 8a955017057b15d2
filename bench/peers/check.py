"""Row count and checksums of a result, which do not depend on the order of rows:
for each column the sum of a hash of key and value."""

import json
import tempfile

import duckdb

from common import duck_type, ident, task, text


def source(con, t):
    if t.get("metadata"):
        from duckdb_extensions import import_extension

        for extension in ("avro", "iceberg"):
            import_extension(extension, con=con)
            con.load_extension(extension)
        return f"iceberg_scan({text(t['metadata'])})"
    out, names = t["out"], ", ".join(ident(c["name"]) for c in t["columns"])
    if t["work"] != "merge":
        return f"read_parquet({text(out + '/table.parquet')})"
    files = "[" + ", ".join(text(f) for f in t["base"]) + "]"
    # Iceberg writes names that Avro does not allow with escapes; the order is that of the table.
    stored = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM read_parquet({files})").fetchall()]
    renamed = ", ".join(f"{ident(s)} AS {ident(c['name'])}" for s, c in zip(stored, t["columns"]))
    return (f"(SELECT {names} FROM (SELECT {renamed}, filename AS file_path, file_row_number AS pos FROM "
            f"read_parquet({files}, filename=true, file_row_number=true)) "
            f"ANTI JOIN read_parquet({text(out + '/positions.parquet')}) USING (file_path, pos) "
            f"UNION ALL SELECT {names} FROM read_parquet({text(out + '/rows.parquet')}))")


def number(c):
    """A whole number that stands for a value of the column, as the harness computes it too."""
    name, typ = ident(c["name"]), c["type"]
    if typ == "timestamp":
        return f"epoch_us({name})"
    if typ == "date":
        return f"date_diff('day', DATE '1970-01-01', {name})"
    if typ == "string":
        return f"(strlen({name}) * 1000 + unicode(right({name}, 1)))"
    return f"CAST({name} * 100 AS BIGINT)" if typ.startswith("decimal") else f"{name}::BIGINT"


def main():
    t = task()
    with tempfile.TemporaryDirectory() as temp:
        con = duckdb.connect(config={"threads": 2, "extension_directory": temp})
        con.execute("SET TimeZone = 'UTC'")
        key = ident(t["key"])
        sums = [f"sum(hash(CAST({key} AS VARCHAR), CAST({ident(c['name'])} AS {duck_type(c['type'])}))::HUGEINT)::VARCHAR"
                for c in t["columns"]]
        if t.get("arithmetic"):
            sums = [f"sum({key} * ({number(c)} % 1000003))::VARCHAR" for c in t["columns"]]
        row = con.execute(f"SELECT count(*)::VARCHAR, {', '.join(sums)} FROM {source(con, t)}").fetchone()
        print(json.dumps({"sums": list(row)}))


main()
