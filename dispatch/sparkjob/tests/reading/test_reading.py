"""Tests of the parts that the engine has no counterpart of."""

from __future__ import annotations

import copy
import gzip
import io
import json
import pickle
import random
import sys
import tempfile
import types as python_types
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from tidemark_spark import cells, errors, files, manifest, reading, types

DOCUMENT: dict[str, Any] = {
    "version": 2, "job_id": "job",
    "load": {"id": "load", "table": "s.t", "kind": "incremental", "epoch": 1, "files": None, "fence": 7},
    "files": [{"uri": "/nowhere", "location": "s/t/1.csv", "id": "a", "size": 3}],
    "table": {
        "name": "s.t", "key": ["id"], "order_by": ["at"], "old_key": None, "op_column": "Op",
        "columns": [
            {"name": "id", "type": "long", "required": True}, {"name": "at", "type": "timestamp"},
            {"name": "v", "type": "int", "required": True}, {"name": "u", "type": "uuid"},
        ],
        "op_codes": {"U": "upsert", "D": "delete"},
        "format": {"kind": "csv", "options": {"change_columns": ["Op", "id", "at", "v", "u"], "max_ratio": 1000.0, "not_supplied": "?"}},
    },
    "target": {"columns": [], "key": ["id"]}, "sink": {"kind": "none"},
}  # fmt: skip


class WithFolder(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def manifest(self, data: bytes, **changes: Any) -> manifest.Manifest:
        doc = copy.deepcopy(DOCUMENT)
        path = self.folder / "file"
        path.write_bytes(data)
        doc["files"][0] |= {"uri": str(path), "size": len(data)}
        for part, value in changes.items():
            doc[part] |= value
        return manifest.parse(json.dumps(doc))


class ManifestTest(unittest.TestCase):
    def test_defaults(self) -> None:
        m = manifest.parse(json.dumps(DOCUMENT))
        self.assertEqual(m.table.old_key, ())
        self.assertFalse(m.table.partial)
        self.assertEqual(m.load.fence, 7)
        self.assertEqual(pickle.loads(pickle.dumps(m)), m)

    def test_modes(self) -> None:
        for mode in ("upsert", "soft_delete", "history"):
            self.assertEqual(manifest.parse(json.dumps(DOCUMENT | {"table": DOCUMENT["table"] | {"mode": mode}})).table.mode, mode)
        keyless = DOCUMENT["table"] | {"mode": "append", "key": None, "order_by": None}
        self.assertEqual(manifest.parse(json.dumps(DOCUMENT | {"table": keyless})).table.key, ())

    def test_refuses(self) -> None:
        def with_(path: str, value: Any) -> str:
            doc = copy.deepcopy(DOCUMENT)
            *parents, name = path.split(".")
            at: Any = doc
            for p in parents:
                at = at[int(p)] if p.isdigit() else at[p]
            at[name] = value
            return json.dumps(doc)

        wrong = [
            "{", "[]", "null", with_("version", 1), with_("version", True), with_("table.key", []), with_("table.key", ["x"]), with_("table.key", [1]),
            with_("load.kind", "unknown"), with_("files.0.size", "3"), with_("table.columns", [{"name": "id"}]), with_("table.old_key", ["a", "b"]),
            with_("table.mode", "append"), with_("table.mode", "versions"), with_("table.mode", 1), with_("sink", None), with_("table.op_codes", {"U": 1}), with_("load.fence", None),
        ]  # fmt: skip
        for text in wrong:
            with self.subTest(text[:80]), self.assertRaises(errors.Terminal):
                manifest.parse(text)


class ErrorsTest(unittest.TestCase):
    def test_way_through_spark(self) -> None:
        first = errors.RowError("a", 2, "c", "not an int", (0, 2, 1))
        later = errors.RowError("b", 1, "", "key is null", (1, 1))
        text = f"Job aborted: {errors.carry(later)} and\n  {errors.carry(first)}, too"
        found = errors.find(text)
        assert isinstance(found, errors.RowError)
        self.assertEqual((found.file, found.row, found.column, found.rule, found.order), ("a", 2, "c", "not an int", (0, 2, 1)))
        self.assertEqual(found.cause, "row 2 of a: column c: not an int")
        self.assertIsNone(errors.find("ValueError: row 2"))

    def test_outcomes(self) -> None:
        for err, outcome in [
            (errors.Retryable("x"), "retry"), (errors.Refused("x"), "refused"), (errors.FileChanged("f"), "terminal"),
            (errors.Indeterminate("x"), "indeterminate"), (errors.RowError("f", 0, "", "file has no rows"), "terminal"),
        ]:  # fmt: skip
            found = errors.find(str(errors.carry(err)))
            assert found is not None
            self.assertEqual(found.diagnosis(), err.diagnosis())
            self.assertEqual(found.outcome, outcome)

    def test_names_cannot_forge_lines(self) -> None:
        self.assertEqual(errors.RowError("a\nb", 1, "c\r", "r").cause, 'row 1 of "a\\nb": column "c\\r": r')


class ReadingTest(WithFolder):
    rows = b"U,1,2024-01-01 00:00:00,5,\nU,2,,x,00000000-0000-0000-0000-00000000000A\nD,3,,,\nU,4,,?,\nU,5,,,\n"

    def read(self, m: manifest.Manifest) -> pa.Table:
        return pa.Table.from_batches(reading.read(m, 0), reading.schema(m))

    def test_changes(self) -> None:
        m = self.manifest(self.rows)
        got = self.read(m)
        self.assertEqual(got.column("op").to_pylist(), [1, 1, 2, 1, 1])
        self.assertEqual(got.column("n").to_pylist(), [1, 2, 3, 4, 5])
        self.assertEqual(got.column("o0").null_count, 4)

    def test_bad_values_of_losers_are_no_errors(self) -> None:
        m = self.manifest(self.rows)
        rows = [reading.unpack(c) for c in self.read(m).column("cells").to_pylist()]
        made = reading.decode(m, rows[:1], [(0, 1)])
        self.assertEqual(made.column("v").to_pylist(), [5])
        with self.assertRaisesRegex(errors.RowError, "row 2 of s/t/1.csv: column v: not an int"):
            reading.decode(m, [rows[4], rows[1]], [(0, 5), (0, 2)])
        _, wrong = reading.decode_or_errors(m, rows, [(0, n + 1) for n in range(5)])
        self.assertEqual([(e.row, e.rule) for e in wrong], [(2, "not an int"), *((n, "required value is null") for n in (3, 4, 5))])

    def test_completed_rows(self) -> None:
        m = self.manifest(self.rows)
        rows = [reading.unpack(c) for c in self.read(m).column("cells").to_pylist()]
        whole = reading.unpack(reading.pack(reading.complete(rows[3], rows[0], (0, 1), 4)))
        self.assertEqual(reading.decode(m, [whole], [(0, 4)]).column("v").to_pylist(), [5])
        bad = reading.complete(rows[3], rows[1], (0, 2), 4)
        with self.assertRaisesRegex(errors.RowError, "^row 2 of"):
            reading.decode(m, [bad], [(0, 4)])
        table = reading.unpack(reading.pack(reading.from_table(rows[3], 4)))
        self.assertEqual(reading.decode(m, [table], [(0, 4)]).column("v").to_pylist(), [None])

    def test_uuids_are_text_to_spark(self) -> None:
        m = self.manifest(self.rows)
        rows = [reading.unpack(c) for c in self.read(m).column("cells").to_pylist()]
        rows[1][2] = b"1"
        self.assertEqual(reading.decode(m, [rows[1]], [(0, 2)]).column("u").to_pylist(), ["00000000-0000-0000-0000-00000000000a"])

    def test_content_has_to_be_that_of_the_manifest(self) -> None:
        m = self.manifest(self.rows)
        Path(m.files[0].uri).write_bytes(self.rows + b"x")
        with self.assertRaises(errors.FileChanged):
            self.read(m)
        Path(m.files[0].uri).unlink()
        with self.assertRaises(errors.FileVanished):
            self.read(m)

    def test_unknown_parts_are_refused(self) -> None:
        for form in [{"kind": "xml"}, {"kind": "csv"}, {"kind": "csv", "options": {"header": True, "delimiter": "\u00e9"}}]:
            with self.assertRaises(errors.Terminal):
                self.read(self.manifest(b"x", table={"format": form}))
        with self.assertRaises(errors.Terminal):
            types.arrow("decimal(39,1)")

    def test_bombs_are_refused(self) -> None:
        bomb = gzip.compress(b"U,1,,5,\n" * 500_000)
        for limit, rule in [({"max_ratio": 10}, "10 times its size"), ({"max_decompressed_bytes": 1 << 20}, "more than 1048576 bytes")]:
            form = {"kind": "csv", "options": DOCUMENT["table"]["format"]["options"] | limit}
            with self.assertRaisesRegex(errors.RowError, rule):
                self.read(self.manifest(bomb, table={"format": form}))

    def test_damaged_parquet_is_a_row_error(self) -> None:
        out = io.BytesIO()
        n = 300
        table = {"id": list(range(n)), "at": pa.nulls(n, pa.timestamp("us")), "v": pa.array(range(n), pa.int32()), "Op": ["U"] * n,
                 "u": pa.array([b"0123456789abcdef"] * n, pa.binary(16))}  # fmt: skip
        pq.write_table(pa.table(table), out, row_group_size=100, compression="zstd")
        r, outcomes = random.Random(5), {True: 0, False: 0}
        for _ in range(80):
            data = bytearray(out.getvalue())
            for _ in range(r.randint(1, 4)):
                data[r.randrange(len(data))] = r.randrange(256)
            m = self.manifest(bytes(data), table={"format": {"kind": "parquet"}})
            try:
                got = self.read(m)
                rows = [reading.unpack(c) for c in got.column("cells").to_pylist()]
                reading.decode(m, rows, [(0, k + 1) for k in range(len(rows))])
                outcomes[True] += 1
            except errors.RowError:
                outcomes[False] += 1
        self.assertGreater(outcomes[False], 15)
        self.assertGreater(outcomes[True], 3)


class FakeS3:
    """An object of which there are two versions."""

    def __init__(self, error: type[Exception]) -> None:
        self.versions = {"v1": b"old content", "v2": b"new content!"}
        self.error = error

    def get_object(self, Bucket: str, Key: str, Range: str, VersionId: str = "v2", IfMatch: str = '"v2"') -> dict[str, Any]:  # noqa: N803
        if Key != "a b/key":
            raise self.error(404)
        if IfMatch != '"v2"':
            raise self.error(412)
        data = self.versions[VersionId]
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        return {"Body": io.BytesIO(data[first : last + 1]), "ContentRange": f"bytes {first}-{last}/{len(data)}"}


class S3Test(unittest.TestCase):
    def setUp(self) -> None:
        class ClientError(Exception):
            def __init__(self, status: int) -> None:
                self.response = {"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {"Code": "Code"}}

        boto3, botocore = python_types.ModuleType("boto3"), python_types.ModuleType("botocore.exceptions")
        boto3.client = lambda name: FakeS3(ClientError)  # type: ignore[attr-defined]
        botocore.ClientError, botocore.BotoCoreError = ClientError, ConnectionError  # type: ignore[attr-defined]
        modules = {"boto3": boto3, "botocore": python_types.ModuleType("botocore"), "botocore.exceptions": botocore}
        patch = mock.patch.dict(sys.modules, modules)
        patch.start()
        self.addCleanup(patch.stop)

    def file(self, size: int, uri: str = "s3://bucket/a b/key", **more: str) -> manifest.File:
        return manifest.File(uri=uri, location="loc", id="i", size=size, **more)

    def test_version(self) -> None:
        source = files.open_input(self.file(11, version_id="v1"))
        self.assertEqual(source.read_at(4, 100), b"content")
        self.assertEqual(source.read_at(11, 5), b"")

    def test_changed(self) -> None:
        for file in [self.file(11), self.file(12, etag="v1"), self.file(13, version_id="v2")]:
            with self.assertRaises(errors.FileChanged):
                files.open_input(file).read_at(0, 5)
        self.assertEqual(files.open_input(self.file(12, etag='"v2"')).read_at(0, 3), b"new")

    def test_vanished_and_wrong(self) -> None:
        with self.assertRaises(errors.FileVanished):
            files.open_input(self.file(11, uri="s3://bucket/other")).read_at(0, 1)
        for uri in ("s3://bucket", "relative", "https://x/y", "s3:///key"):
            with self.assertRaises(errors.Terminal):
                files.open_input(self.file(1, uri=uri))


class CellsTest(unittest.TestCase):
    def test_packing_keeps_what_cells_are(self) -> None:
        row = [None, cells.UNSUPPLIED, b"x", "text", 1, True, 0.5, cells.bad("rule", (1,)), cells.COMMITTED, [b"y", 1, 2]]
        back = cells.unpack(cells.pack(row))
        self.assertEqual(back, row)
        self.assertIs(back[1], cells.UNSUPPLIED)


if __name__ == "__main__":
    unittest.main()
