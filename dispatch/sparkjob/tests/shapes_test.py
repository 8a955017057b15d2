"""Files read by their shapes: what rows and mistakes come out."""

import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tidemark_spark import errors, manifest, reading, shapes
from tidemark_spark.cells import unpack
from tidemark_spark.evolution import Shape
from tidemark_spark.scanning import Batch, Request, Wanted

COLUMNS = [
    {"name": "id", "type": "long"}, {"name": "title", "type": "string"}, {"name": "n", "type": "int"},
    {"name": "n_string", "type": "string"}, {"name": "code", "type": "string", "required": True}, {"name": "rare", "type": "long"},
]  # fmt: skip


def read(kind: str, content: str, shape: dict | None, form: str = "jsonlines", **options):
    """The rows of a file, and the mistakes in them."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "f")
        path.write_text(content)
        doc = {
            "version": manifest.VERSION, "job_id": "j", "load": {"id": "l", "table": "s.t", "kind": kind, "epoch": 1, "fence": 1},
            "files": [{"uri": str(path), "location": "s/t/f", "id": "a", "size": len(content.encode())}],
            "table": {"name": "s.t", "columns": COLUMNS, "key": ["id"], "partial": kind == "incremental",
                      "format": {"kind": form, "options": options}},
            "target": {"columns": COLUMNS, "key": ["id"]}, "sink": {"kind": "none"}, "evolution": {"shapes": [shape], "schema_id": 0},
        }  # fmt: skip
        m = manifest.parse(json.dumps(doc))
        found = [(n, unpack(c)) for b in reading.read(m, 0) for n, c in zip(b.column("n").to_pylist(), b.column("cells").to_pylist())]
    batch, wrong = reading.decode_or_errors(m, [c for _, c in found], [(0, n) for n, _ in found])
    return batch.to_pylist(), sorted((e.row, e.column, e.rule) for e in wrong), found


SHAPE = {"names": {"title": "name", "n": "", "n_string": ""}, "sparse": ["rare"]}


class ShapesTest(unittest.TestCase):
    def test_columns_have_other_names_or_are_absent(self):
        text = '{"id":1,"name":"a","code":"x","rare":7}\n{"id":2,"name":"b","code":"y"}\n'
        rows, wrong, _ = read("full", text, SHAPE)
        self.assertEqual(wrong, [])
        self.assertEqual(rows[0], {"id": 1, "title": "a", "n": None, "n_string": None, "code": "x", "rare": 7})
        self.assertEqual((rows[1]["title"], rows[1]["rare"]), ("b", None))
        _, _, found = read("incremental", text, SHAPE)
        self.assertIs(found[0][1][2], ...)  # unsupplied
        self.assertIs(found[1][1][5], ...)
        self.assertEqual(found[0][1][5], b"7")

    def test_delimited_text(self):
        shape = {"names": {"title": "name", "n": "", "n_string": "", "rare": ""}}
        rows, wrong, found = read("incremental", "name,id,code\na,1,x\n,2,\n", shape, "csv", header=True)
        self.assertEqual((rows[0]["id"], rows[0]["title"], rows[0]["code"]), (1, "a", "x"))
        self.assertIs(found[0][1][2], ...)
        self.assertEqual(wrong, [(2, "code", "required value is null")])

    def test_mistakes_have_the_names_of_the_file(self):
        rows, wrong, _ = read("full", '{"id":1,"name":[1],"code":null,"rare":"x"}\n{"id":2,"name":1,"code":"c","rare":1}\n', SHAPE)
        self.assertIn((2, "name", "not a string"), wrong)
        self.assertIn((1, "code", "required value is null"), wrong)
        self.assertIn((1, "rare", "not a long"), wrong)

    def test_a_record_may_lack_only_what_is_sparse(self):
        _, wrong, _ = read("full", '{"id":1,"code":"x","rare":7}\n', SHAPE)
        self.assertEqual(wrong, [(1, "name", "column is missing")])

    def test_values_that_do_not_fit(self):
        shape = {"names": {"title": "", "n_string": "", "rare": ""}, "types": {"n": "long"}}
        rows, wrong, found = read("full", '{"id":1,"n":5,"code":"x"}\n{"id":2,"n":5000000000,"code":"y"}\n{"id":3,"n":null,"code":"z"}\n', shape)
        self.assertEqual([r["n"] for r in rows], [5, None, None])
        self.assertEqual(wrong, [(2, "n", "does not fit int")])
        self.assertIsNone(found[2][1][2])

    def test_text_is_canonical(self):
        shape = {"names": {"title": "", "n": "", "n_string": "n", "rare": ""}, "texts": {"n_string": "double"}}
        rows, wrong, _ = read("full", '{"id":1,"n":1.50,"code":"x"}\n{"id":2,"n":1e21,"code":"y"}\n', shape)
        self.assertEqual(([r["n_string"] for r in rows], wrong), (["1.5", "1e+21"], []))

    def test_guarded_columns(self):
        shape = {"names": {"title": "", "n": "", "n_string": "", "rare": ""}, "guards": [{"name": "x", "type": "long"}]}
        rows, _, _ = read("full", '{"id":1,"code":"x","x":null}\n{"id":2,"code":"y"}\n', shape)
        self.assertEqual(len(rows), 2)
        with self.assertRaises(errors.RowError) as caught:
            read("full", '{"id":1,"code":"x","x":null}\n{"id":2,"code":"y","x":0}\n', shape)
        self.assertEqual((caught.exception.row, caught.exception.column, caught.exception.rule), (2, "x", shapes.UNDECLARED))

    def test_columns_of_the_first_pass(self):
        columns = [manifest.Column("n", "int"), manifest.Column("n_string", "string"), manifest.Column("rare", "long")]
        shape = Shape({"n_string": "m"}, {"n": "long"}, {"n_string": "long"}, frozenset(["rare"]), ())
        given = [Batch([1, 2, 3], [[5, 1 << 40, None], [7, None, 1 << 40], [None, 1, None]], [[], [], []])]
        asked = []

        def scan(d, source, request):
            asked.append([(w.column.name, w.column.type, w.optional) for w in request.first])
            yield from given

        def rows(tolerant):
            request = Request(0, "f", "full", tuple(Wanted(c) for c in columns), (), tolerant)
            return list(shapes.through(shape, scan)(manifest.Declaration("jsonlines", {}), None, request))

        (batch,) = rows(True)
        self.assertEqual(asked, [[("n", "long", False), ("m", "long", False), ("rare", "long", True)]])
        self.assertEqual((batch.numbers, batch.first), ([1, 3], [[5, None], ["7", str(1 << 40)], [None, None]]))
        self.assertEqual([(e.row, e.column, e.rule) for e in batch.bad], [(2, "n", "does not fit int")])
        self.assertRaises(errors.RowError, rows, False)

    def test_narrower_numbers(self):
        for have, want, value, made in [
            ("long", "int", -(1 << 31), -(1 << 31)), ("long", "int", 1 << 31, None), ("double", "float", 0.5, 0.5), ("double", "float", 0.1, None),
            ("double", "float", 1e300, None), ("decimal(9,2)", "decimal(4,2)", 1250, 1250), ("decimal(9,2)", "decimal(4,2)", 12500, None),
            ("decimal(9,2)", "decimal(4,1)", 1250, 125), ("decimal(9,2)", "decimal(4,1)", 1255, None), ("string", "int", "5", None),
        ]:  # fmt: skip
            try:
                got = shapes.narrower(have, want)(value)
            except errors.BadValue as e:
                got = None
                self.assertEqual(e.rule, "does not fit " + want)
            self.assertEqual(got, made, (have, want, value))


if __name__ == "__main__":
    unittest.main()
