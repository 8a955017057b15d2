"""DuckDB's side: the same files, read, reduced to the latest row of each key,
and written as Parquet. No table format, no commit, no ledger."""

import glob
import os

import duckdb

from common import Work, duck_type, ident, task, text

PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"


def csv(t, change):
    """The landed files as a relation, all types declared."""
    columns = {c["name"]: duck_type(c["type"]) for c in t["columns"]}
    if change and t["op"]:
        columns = {t["op"]: "VARCHAR", **columns}
    spec = ", ".join(f"{text(n)}: {text(v)}" for n, v in columns.items())
    files = ", ".join(text(f) for f in t["files"])
    header = "true" if t["header"] else "false"
    stamp = f", timestampformat={text(t['timestamps'])}" if t["timestamps"] else ""
    return (f"read_csv([{files}], header={header}, auto_detect=false, delim=',', quote='\"', escape='\"', "
            f"nullstr='', columns={{{spec}}}{stamp})")


def names(t):
    return ", ".join(ident(c["name"]) for c in t["columns"])


def full(con, t):
    con.execute(f"COPY (SELECT * FROM {csv(t, False)}) TO {text(t['out'] + '/table.parquet')} {PARQUET}")


def latest(con, t):
    """The last change of each key. The faster of two ways that were tried."""
    key, order = ident(t["key"]), ident(t["order"])
    if t.get("dedup") == "window":
        con.execute(f"CREATE TEMP TABLE c AS SELECT * FROM {csv(t, True)} "
                    f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order} DESC) = 1")
        return
    if t.get("dedup") == "argmax":
        con.execute(f"CREATE TEMP TABLE c AS SELECT unnest(arg_max(r, r.{order})) FROM {csv(t, True)} r GROUP BY r.{key}")
        return
    con.execute(f"CREATE TEMP TABLE r AS SELECT * FROM {csv(t, True)}")
    con.execute(f"CREATE TEMP TABLE c AS SELECT r.* FROM r SEMI JOIN "
                f"(SELECT {key}, max({order}) AS {order} FROM r GROUP BY {key}) m USING ({key}, {order})")


def base(t):
    return "[" + ", ".join(text(f) for f in t["base"]) + "]"


def live(t):
    return f"WHERE {ident(t['op'])} <> 'D'" if t["op"] else ""


def merge(con, t):
    latest(con, t)
    con.execute(f"COPY (SELECT filename AS file_path, file_row_number AS pos FROM "
                f"read_parquet({base(t)}, filename=true, file_row_number=true) SEMI JOIN c USING ({ident(t['key'])})) "
                f"TO {text(t['out'] + '/positions.parquet')} {PARQUET}")
    con.execute(f"COPY (SELECT {names(t)} FROM c {live(t)}) TO {text(t['out'] + '/rows.parquet')} {PARQUET}")


def rewrite(con, t):
    latest(con, t)
    con.execute(f"COPY (SELECT {names(t)} FROM read_parquet({base(t)}) ANTI JOIN c USING ({ident(t['key'])}) "
                f"UNION ALL SELECT {names(t)} FROM c {live(t)}) TO {text(t['out'] + '/table.parquet')} {PARQUET}")


def main():
    t = task()
    os.makedirs(t["out"], exist_ok=True)
    for f in glob.glob(t["out"] + "/*.parquet"):
        os.remove(f)
    with Work():
        con = duckdb.connect(config={"threads": 2})
        con.execute("SET preserve_insertion_order = false")
        {"full": full, "merge": merge, "rewrite": rewrite}[t["work"]](con, t)
        con.close()


main()
