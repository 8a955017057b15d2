"""Reads tables with an engine and compares every row with an expectation.

    read.py ENGINE TABLES.json [REPORT.json]

TABLES.json is {"tables": [...]}, each table with

    name        of the check, for people
    metadata    location of the table's metadata file
    key         names of the key columns
    columns     [{"name", "type"}], in order; types as etl.ParseType reads them
    rows        path of a file with the expected rows, one JSON array to a line:
                null, or the text that etltest.Text gives
    filter      names of the columns to filter by; null is all
    partition   optional partition fields, [{"column", "transform"}]
    catalog     optional path of a SQLite catalog that must name the metadata
    identifier  "namespace.name" in that catalog
    features    optional names of what a reader has to know, as in limits.py
    sensitive   optional names of columns that must have no bounds
    sort        optional names of columns that the rows of a file are sorted by
    widened     optional names of long columns that some data files hold as int
    snapshot    optional id of the snapshot to read; else the current one
    lineage     optional path of a file with {key: [row id, last updated]}, for a
                table of format version 3 with one key column

One line is printed for each table. The exit code is 1 if one differs, and also
if an engine reads right what limits.py says it does not.
"""

import collections
import contextlib
import json
import os
import sys
import time
import traceback
import zlib

import canon
import engines
import limits

ORDERED = ("int", "long", "float", "double", "date", "timestamp", "timestamptz", "string")
AGGREGATED = ("int", "long", "date", "timestamp", "timestamptz")


class Different(Exception):
    """What the engine read is not what is expected."""


def load_rows(table):
    types = [c["type"] for c in table["columns"]]
    rows = []
    with open(table["rows"], encoding="utf-8") as f:
        for line in f:
            cells = json.loads(line)
            if len(cells) != len(types):
                raise ValueError("expected row of another length")
            rows.append(cells)
    return rows


def check_schema(engine, table, got):
    names = [c["name"] for c in table["columns"]]
    if got.column_names != names:
        raise Different(f"columns are {got.column_names}")
    for c, field in zip(table["columns"], got.schema):
        allowed = canon.arrow_types(c["type"]) + engine.other_types.get(c["type"], [])
        if field.type not in allowed:
            raise Different(f"column {c['name']} of type {c['type']} comes as {field.type}")


def check_rows(table, want, got):
    cells = [canon.column(c["type"], got.column(i)) for i, c in enumerate(table["columns"])]
    have = collections.Counter(zip(*cells))
    if want == have:
        return
    missing, surplus = want - have, have - want
    lines = [f"{sum(missing.values())} rows missing, {sum(surplus.values())} too many, "
             f"of {sum(want.values())} expected"]
    lines += [f"    - {row}" for row in list(missing)[:4]] + [f"    + {row}" for row in list(surplus)[:4]]
    raise Different("\n".join(lines))


def conditions(table, rows):
    """For each column: equality and ranges with values that are there, and null."""
    out = []
    for i, c in enumerate(table["columns"]):
        typ = c["type"]
        if table["filter"] is not None and c["name"] not in table["filter"]:
            continue
        out.append((c["name"], typ, "is null", None))
        values = sorted({r[i] for r in rows if r[i] is not None})
        if typ in ("float", "double"):
            # NaN has no place that all engines agree on.
            if "NaN" in values:
                continue
            values = [v for v in values if "Inf" not in v]
        for v in dict.fromkeys(values[k * (len(values) - 1) // 2] for k in range(3) if values):
            out.append((c["name"], typ, "=", v))
        if typ in ORDERED and values:
            out.append((c["name"], typ, ">=", values[len(values) // 2]))
            out.append((c["name"], typ, "<", values[len(values) // 3]))
    return out


def meets(typ, cell, op, text):
    if op == "is null":
        return cell is None
    if cell is None:
        return False
    a, b = canon.parse(typ, cell), canon.parse(typ, text)
    if typ == "string":  # by code point, as Iceberg orders strings
        a, b = a.encode(), b.encode()
    return a == b if op == "=" else a >= b if op == ">=" else a < b


def compare_count(table, cond, rows, got):
    name, typ, op, text = cond
    i = [c["name"] for c in table["columns"]].index(name)
    want = sum(meets(typ, r[i], op, text) for r in rows)
    if got != want:
        raise Different(f"WHERE {name} {op} {text!r}: {got} rows, expected {want}")


def check_counts(engine, table, rows, known, most):
    conds = conditions(table, rows)
    if not conds:
        return 0
    limited = {c: why for c in conds if (why := limits.of_filter(known.engine, table, c))}
    sound = some([c for c in conds if c not in limited], most, table["name"])
    for cond, got in zip(sound, engine.counts(sound), strict=True):
        compare_count(table, cond, rows, got)
    for cond, why in limited.items():
        with known.expected(why):
            compare_count(table, cond, rows, engine.counts([cond])[0])
    return len(sound)


def some(conds, most, name):
    """At most so many of the conditions, spread over them, others for each table."""
    step = -(-len(conds) // most) if most else 1
    return conds[zlib.crc32(name.encode()) % step::step] if step > 1 else conds


class Known:
    """How often what an engine is known to do wrong went wrong."""

    def __init__(self, engine):
        self.engine = engine
        self.wrong = collections.Counter()
        self.tried = collections.Counter()

    @contextlib.contextmanager
    def expected(self, why):
        self.tried[why] += 1
        try:
            yield
        except Exception:
            self.wrong[why] += 1

    def lines(self):
        return [f"{why}: {self.wrong[why]} of {n} wrong" for why, n in self.tried.items()]

    def gone(self):
        """What no longer goes wrong and should no longer be said."""
        return [why for why in self.tried if not self.wrong[why]]

    def untried(self):
        """What is said and was not put to the test."""
        return [why for why in limits.stated(self.engine) if why not in self.tried]


def check_aggregate(engine, table, rows):
    """Of columns with bounds, since engines may answer from those instead of rows."""
    cols = [(i, c) for i, c in enumerate(table["columns"])
            if c["type"] in AGGREGATED and c["name"] not in table.get("sensitive", [])]
    got = engine.aggregate([c["name"] for _, c in cols])
    if got is None:
        return
    if (n := got.column(0).to_pylist()[0]) != len(rows):
        raise Different(f"count(*) is {n}, expected {len(rows)}")
    for k, (i, c) in enumerate(cols):
        values = [canon.expected(c["type"], r[i]) for r in rows if r[i] is not None]
        want = (min(values), max(values)) if values else (None, None)
        have = tuple(canon.column(c["type"], got.column(1 + 2 * k + j))[0] for j in range(2))
        if have != want:
            raise Different(f"min and max of {c['name']} are {have}, expected {want}")


def check_lineage(engine, table):
    """Ids of rows and when they were last changed, where the engine shows them."""
    if not table.get("lineage"):
        return
    got = engine.lineage(table["key"][0])
    if got is None:
        return
    have = sorted((str(k), [i, n]) for k, i, n in zip(*(got.column(c).to_pylist() for c in range(3))))
    with open(table["lineage"], encoding="utf-8") as f:
        want = sorted(json.load(f).items())
    if have != want:
        wrong = [(h, w) for h, w in zip(have, want) if h != w][:4]
        raise Different(f"lineage of {len(have)} rows, expected {len(want)}; the first that differ: {wrong}")


def check(engine, table, known, most):
    """Returns the numbers of rows and of filtered counts compared."""
    rows = load_rows(table)
    types = [c["type"] for c in table["columns"]]
    want = collections.Counter(tuple(canon.expected(t, v) for t, v in zip(types, r)) for r in rows)
    engine.open(table)
    got = engine.read()
    check_schema(engine, table, got)
    check_rows(table, want, got)
    check_lineage(engine, table)
    check_aggregate(engine, table, rows)
    return len(rows), check_counts(engine, table, rows, known, most)


def run(engine, table, known, most):
    """The entry of a table in the report."""
    entry = {"name": table["name"], "rows": 0, "counts": 0, "error": "", "limit": ""}
    why = limits.of_table(known.engine, table)
    if why:
        known.tried[why] += 1
    try:
        entry["rows"], entry["counts"] = check(engine, table, known, most)
    except Different as e:
        entry["error"] = str(e)
    except Exception as e:  # the engine could not read it
        entry["error"] = "".join(traceback.format_exception_only(e))[:4000].strip()
    if why and entry["error"]:
        known.wrong[why] += 1
        entry["limit"], entry["error"] = f"{why} ({entry['error'].splitlines()[0][:200]})", ""
    return entry


def tell(entry):
    status = "FAIL" if entry["error"] else "lim" if entry["limit"] else "ok"
    print(f"{status:4} {entry['name']}: {entry['rows']} rows, {entry['counts']} filtered counts", flush=True)
    for line in (entry["limit"] or entry["error"][:1500]).splitlines():
        print("      " + line, flush=True)


def main():
    name, tables = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))["tables"]
    out = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else None
    most = int(sys.argv[4]) if len(sys.argv) > 4 else 0  # filtered counts of a table; 0 for all
    start = time.monotonic()
    engine, known = engines.ENGINES[name](), Known(name)
    entries = []
    for table in tables:
        entries.append(run(engine, table, known, most))
        tell(entries[-1])
    engine.close()
    failed = sum(bool(e["error"]) for e in entries)
    for line in known.lines():
        print("known limit: " + line)
    for line in engine.notes():
        print("note: " + line)
    print(f"{engine.version}: {len(entries)} tables, {sum(e['rows'] for e in entries)} rows, "
          f"{sum(e['counts'] for e in entries)} filtered counts, {failed} failed, {time.monotonic() - start:.1f} s")
    if out:
        with open(out, "w", encoding="utf-8") as f:
            json.dump({"engine": engine.version, "tables": entries, "known": known.lines(), "gone": known.gone(),
                       "untried": known.untried()}, f)
    return 1 if failed or known.gone() else 0


if __name__ == "__main__":
    sys.exit(main())
