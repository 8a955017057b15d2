"""The manifest: what a job has to do, as package dispatch writes it down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import Terminal

VERSION = 1
UPSERT = "upsert"  # the mode of tables that jobs run

FULL = "full"
INCREMENTAL = "incremental"


@dataclass(frozen=True)
class Column:
    """A declared column. Type is a name as etl.ParseType reads it."""

    name: str
    type: str
    required: bool = False
    format: str = ""
    zone: str = ""
    sensitive: bool = False
    doc: str = ""


@dataclass(frozen=True)
class File:
    """Where a file is, and which content it must have."""

    uri: str
    location: str
    id: str
    size: int
    version_id: str = ""
    etag: str = ""


@dataclass(frozen=True)
class Load:
    """The load, with the fence under which the job works; raw is all of its JSON."""

    id: str
    table: str
    kind: str
    epoch: int
    fence: int
    watermark: str
    watermark_file: str
    landed: str
    raw: dict[str, Any]

    @property
    def full(self) -> bool:
        return self.kind == FULL

    @property
    def difference(self) -> bool:
        """Whether a full load commits only what differs."""
        return self.full and bool(self.raw.get("difference"))

    @property
    def swaps(self) -> bool:
        """Whether the load takes the place of all that the table holds."""
        return self.full and not self.difference


@dataclass(frozen=True)
class Declaration:
    """The declared form of a part."""

    kind: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A field of the partition spec."""

    column: str
    transform: str
    n: int = 0


@dataclass(frozen=True)
class Table:
    """The declaration of a table, with its defaults."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order_by: tuple[str, ...]
    old_key: tuple[str, ...]
    op_column: str
    op_codes: dict[str, str]
    allow_empty: bool
    format: Declaration
    partial: bool
    transforms: tuple[Declaration, ...]
    partition: tuple[Field, ...]
    sort: tuple[str, ...]
    tombstone_seconds: int
    properties: dict[str, str]

    def column(self, name: str) -> Column:
        for c in self.columns:
            if c.name == name:
                return c
        raise Terminal("manifest: the table has no such column: " + json.dumps(name))


@dataclass(frozen=True)
class Target:
    """The columns of the table itself, after all transforms."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order_by: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a job has to do. raw is the whole document."""

    job_id: str
    load: Load
    files: tuple[File, ...]
    table: Table
    target: Target
    sink: Declaration
    raw: dict[str, Any] = field(repr=False)


def parse(text: str | bytes) -> Manifest:
    """Reads a manifest. Its errors are Terminal."""
    try:
        doc = json.loads(text)
    except ValueError:
        raise Terminal("manifest: not JSON") from None
    top = _Object(doc, "")
    version, mode = top.get("version", int), top.object("table").text("mode") or UPSERT
    if mode != UPSERT and version == VERSION + 1:
        raise Terminal(f"manifest: tables of mode {mode} are not run by this job, but in process only (flag L)")
    if version != VERSION or mode != UPSERT:
        raise Terminal(f"manifest: version is not {VERSION}: the job and what submitted it are of different releases")
    manifest = Manifest(
        job_id=top.get("job_id", str),
        load=_load(top.object("load")),
        files=tuple(_file(f) for f in top.objects("files")),
        table=_table(top.object("table")),
        target=_target(top.object("target")),
        sink=_declaration(top.object("sink")),
        raw=doc,
    )
    _check(manifest)
    return manifest


class _Object:
    """A JSON object whose members are asked for by type. null is as good as absent."""

    def __init__(self, value: Any, path: str) -> None:
        self.path = path
        if not isinstance(value, dict):
            raise self.wrong("", "an object")
        self.value = value

    def wrong(self, name: str, want: str) -> Terminal:
        return Terminal(f"manifest: {self.path}{name} is not {want}")

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        value = self.value.get(name)
        if value is None:
            value = default
        if isinstance(value, bool) and kind is not bool or not isinstance(value, kind):
            raise self.wrong(name, {str: "text", int: "a number", bool: "true or false", list: "a list"}.get(kind, "an object"))
        return value

    def text(self, name: str) -> str:
        return self.get(name, str, "")

    def flag(self, name: str) -> bool:
        return self.get(name, bool, False)

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.get(name, list, [])
        if not all(isinstance(v, str) for v in values):
            raise self.wrong(name, "a list of texts")
        return tuple(values)

    def text_map(self, name: str) -> dict[str, str]:
        values = self.get(name, dict, {})
        if not all(isinstance(v, str) for v in values.values()):
            raise self.wrong(name, "a mapping of texts")
        return values

    def object(self, name: str) -> _Object:
        return _Object(self.get(name, dict), f"{self.path}{name}.")

    def objects(self, name: str) -> list[_Object]:
        return [_Object(v, f"{self.path}{name}[{i}].") for i, v in enumerate(self.get(name, list, []))]


def _load(o: _Object) -> Load:
    return Load(
        id=o.get("id", str), table=o.get("table", str), kind=o.get("kind", str), epoch=o.get("epoch", int),
        fence=o.get("fence", int), watermark=o.text("watermark"), watermark_file=o.text("watermark_file"),
        landed=o.text("landed"), raw=o.value,
    )  # fmt: skip


def _file(o: _Object) -> File:
    return File(
        uri=o.get("uri", str), location=o.get("location", str), id=o.get("id", str), size=o.get("size", int),
        version_id=o.text("version_id"), etag=o.text("etag"),
    )  # fmt: skip


def _column(o: _Object) -> Column:
    return Column(
        name=o.get("name", str), type=o.get("type", str), required=o.flag("required"), format=o.text("format"),
        zone=o.text("zone"), sensitive=o.flag("sensitive"), doc=o.text("doc"),
    )  # fmt: skip


def _declaration(o: _Object) -> Declaration:
    return Declaration(kind=o.get("kind", str), options=o.get("options", dict, {}))


def _table(o: _Object) -> Table:
    fields = [Field(f.get("column", str), f.get("transform", str), f.get("n", int, 0)) for f in o.objects("partition")]
    return Table(
        name=o.get("name", str), columns=tuple(_column(c) for c in o.objects("columns")), key=o.texts("key"),
        order_by=o.texts("order_by"), old_key=o.texts("old_key"), op_column=o.text("op_column"),
        op_codes=o.text_map("op_codes"), allow_empty=o.flag("allow_empty"), format=_declaration(o.object("format")),
        partial=o.flag("partial"), transforms=tuple(_declaration(t) for t in o.objects("transforms")),
        partition=tuple(fields), sort=o.texts("sort"), tombstone_seconds=o.get("tombstone_seconds", int, 0),
        properties=o.text_map("properties"),
    )  # fmt: skip


def _target(o: _Object) -> Target:
    columns = tuple(_column(c) for c in o.objects("columns"))
    return Target(columns=columns, key=o.texts("key"), order_by=o.texts("order_by"))


def _check(m: Manifest) -> None:
    if m.load.kind not in (FULL, INCREMENTAL):
        raise Terminal("manifest: load.kind is neither full nor incremental")
    if not m.table.key:
        raise Terminal("manifest: the table has no key")
    if m.table.old_key and len(m.table.old_key) != len(m.table.key):
        raise Terminal("manifest: the old key has not as many columns as the key")
    for name in m.table.key + m.table.order_by:
        m.table.column(name)
