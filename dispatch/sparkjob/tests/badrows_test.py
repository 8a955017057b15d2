"""What is set aside, and what a budget says to it, without Spark."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import pyarrow as pa

from tidemark_spark import badrows
from tidemark_spark.cells import COMMITTED as HELD
from tidemark_spark.cells import UNSUPPLIED, pack, unpack
from tidemark_spark.errors import RowError
from tidemark_spark.manifest import Budget
from tidemark_spark.parquetraw import json_string, json_value
from tidemark_spark.parquettypes import Source
from tidemark_spark.settle import CHANGES, COMMITTED, DELETE, MEMBER, UPSERT, Fold


def fold(*rows: tuple, tolerant: bool = True) -> list[dict]:
    f = Fold(3, True)
    f.tolerant = tolerant
    changes = [(b"k", kind, 0 if n else -1, n, None, pack(cells) if cells else None, None) for n, (kind, cells) in rows]
    batch = pa.record_batch([pa.array(c, t.type) for c, t in zip(zip(*changes), CHANGES)], CHANGES)
    return [row for out in f.sorted_by_key([batch]) for row in out.to_pylist()]


def members(*rows: tuple) -> dict[int, list]:
    return {r["n"]: unpack(r["cells"]) for r in fold(*rows) if r["kind"] == MEMBER}


class TestMembers(unittest.TestCase):
    """A row that others take values from is judged by what it supplies itself."""

    def test_chain(self) -> None:
        below = members((1, (UPSERT, [b"1", b"x", b"2"])), (2, (UPSERT, [b"1", UNSUPPLIED, b"3"])), (3, (UPSERT, [b"1", UNSUPPLIED, UNSUPPLIED])))
        self.assertEqual(below, {2: [b"1", HELD, b"3"], 1: [b"1", b"x", b"2"]})

    def test_nobody_supplies(self) -> None:
        below = members((1, (UPSERT, [b"1", UNSUPPLIED, b"2"])), (2, (UPSERT, [b"1", UNSUPPLIED, UNSUPPLIED])), (3, (UPSERT, [b"1", UNSUPPLIED, b"4"])))
        self.assertEqual(below, {2: [b"1", None, HELD], 1: [b"1", None, b"2"]})

    def test_the_table_supplies(self) -> None:
        below = members((0, (COMMITTED, None)), (1, (UPSERT, [b"1", UNSUPPLIED, b"2"])), (2, (UPSERT, [b"1", UNSUPPLIED, b"4"])))
        self.assertEqual(below, {1: [b"1", HELD, b"2"]})

    def test_a_delete_ends_it(self) -> None:
        self.assertEqual(members((1, (UPSERT, [b"1", b"x", b"2"])), (2, (DELETE, None)), (3, (UPSERT, [b"1", b"y", b"4"]))), {})
        self.assertEqual(members((1, (UPSERT, [b"1", b"x", b"2"])), (2, (DELETE, None))), {})

    def test_only_where_rows_are_set_aside(self) -> None:
        rows = fold((1, (UPSERT, [b"1", b"x", b"2"])), (2, (UPSERT, [b"1", UNSUPPLIED, b"3"])), tolerant=False)
        self.assertEqual([r["kind"] for r in rows], [UPSERT])


class TestBudget(unittest.TestCase):
    def test_covers(self) -> None:
        for rows, share, bad, read, want in ((0, 0, 0, 0, True), (0, 0, 1, 9, False), (2, 0, 2, 2, True), (2, 0, 3, 999, False),
                                             (0, 0.1, 1, 10, True), (0, 0.1, 1, 9, False), (3, 0.1, 3, 4, True)):
            self.assertEqual(Budget(rows, share, "", "", "").covers(bad, read), want, (rows, share, bad, read))

    def test_error(self) -> None:
        first = RowError("a.csv", 7, "qty", "not an int")
        self.assertEqual(badrows.BudgetError(first, 1, "0").cause, "row 7 of a.csv: column qty: not an int; budget 0")
        many = badrows.BudgetError(first, 13, "10 or 1%")
        self.assertEqual(many.cause, "row 7 of a.csv: column qty: not an int; and 12 more, budget 10 or 1%")
        self.assertEqual({k: v for k, v in many.diagnosis().items() if k != "cause"},
                         {"outcome": "terminal", "file": "a.csv", "row": 7, "column": "qty", "rule": "not an int"})


class TestJSON(unittest.TestCase):
    """Texts as the engine's libraries write them."""

    def test_strings(self) -> None:
        self.assertEqual(json_string("a\"\\\n\t\x00\x1f<>&\u2028é".encode() + b"\xff"), '"a\\"\\\\\\n\\t\\u0000\\u001f\\u003c\\u003e\\u0026\\u2028é\\ufffd"')

    def test_values(self) -> None:
        for name, v, want in (
            ("decimal(6, 2)", 100, '"1"'), ("decimal(6, 2)", -5, '"-0.05"'), ("decimal(6, 2)", 123000, '"1230"'), ("decimal(6, 2)", 999999, '"9999.99"'),
            ("date32", -719162, '"0001-01-01"'), ("date32", 2932897, '"10000-01-01"'), ("date32", -719529, '"-0001-12-31"'),
            ("timestamp[us]", -1, '"1969-12-31T23:59:59.999999"'), ("timestamp[ms, tz=UTC]", 1500, '"1970-01-01T00:00:01.5Z"'),
            ("float64", 1e21, "1e+21"), ("float64", 1e-7, "1e-7"), ("float64", 123456789.125, "123456789.125"), ("float32", 0.1, "0.1"),
            ("float64", float("-inf"), '"-Inf"'), ("binary", b"\x00\xff", '"AP8="'), ("bool", False, "false"), ("int64", 7, "7"), ("utf8", None, "null"),
        ):  # fmt: skip
            self.assertEqual(json_value(Source(name, 0, 6, 2), v), want, name)


if __name__ == "__main__":
    unittest.main()
