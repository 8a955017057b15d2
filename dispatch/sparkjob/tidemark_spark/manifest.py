"""The manifest: what a job has to do, as package dispatch writes it down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from . import evolution
from .errors import Terminal
from .evolution import Evolution

VERSION = 2
UPSERT, APPEND, SOFT_DELETE, HISTORY = "upsert", "append", "soft_delete", "history"  # the modes of tables

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
    part: str = ""  # the table, where the file has rows of several
    landed: str = ""
    # Of mended rows, as badrows.fetch fills it in: content, kind, format, and place.
    content: bytes | None = None
    kind: str = ""
    format: Declaration | None = None
    place: tuple[int, bytes, bytes, int] = (0, b"", b"", 0)


@dataclass(frozen=True)
class Budget:
    """How many bad rows may be set aside, how errors name that, where it stands what is
    known of rows of before, and where those of the load are handed over."""

    rows: int
    share: float
    text: str
    aside: str
    hand_over: str

    @property
    def tolerant(self) -> bool:
        return self.rows > 0 or self.share > 0

    def covers(self, bad: int, read: int) -> bool:
        return bad == 0 or bad <= self.rows or bad <= self.share * read


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
class Check(Declaration):
    """A check of the table in declared form, and what follows if it does not hold."""

    name: str
    action: str


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
    mode: str = UPSERT

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
    checks: tuple[Check, ...]
    raw: dict[str, Any] = field(repr=False)
    evolution: Evolution | None = None  # of tables with a contract
    bad_rows: Budget | None = None  # where rows may be set aside, or were before

    @property
    def tolerant(self) -> bool:
        """Whether bad rows are set aside."""
        return self.bad_rows is not None and self.bad_rows.tolerant

    def kind_of(self, file: int) -> str:
        """What a file is read as: full or incremental."""
        return self.files[file].kind or self.load.kind

    def format_of(self, file: int) -> Declaration:
        """What reads a file."""
        return self.files[file].format or self.table.format


def parse(text: str | bytes) -> Manifest:
    """Reads a manifest. Its errors are Terminal."""
    try:
        doc = json.loads(text)
    except ValueError:
        raise Terminal("manifest: not JSON") from None
    top = _Object(doc, "")
    version = top.get("version", int)
    if version != VERSION:
        raise Terminal(f"manifest: version {version} is not {VERSION}: the job and what submitted it are of different releases")
    manifest = Manifest(
        job_id=top.get("job_id", str),
        load=_load(top.object("load")),
        files=tuple(_file(f) for f in top.objects("files")),
        table=_table(top.object("table")),
        target=_target(top.object("target")),
        sink=_declaration(top.object("sink")),
        checks=tuple(_check_of(c) for c in top.objects("checks")),
        raw=doc,
        bad_rows=_budget(top.object("bad_rows")) if doc.get("bad_rows") is not None else None,
        evolution=evolution.parse(top.object("evolution"), _column) if doc.get("evolution") is not None else None,
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
        version_id=o.text("version_id"), etag=o.text("etag"), part=o.text("part"), landed=o.text("mod_time"),
    )  # fmt: skip


def _budget(o: _Object) -> Budget:
    share = o.value.get("share") or 0
    if isinstance(share, bool) or not isinstance(share, (int, float)):
        raise o.wrong("share", "a number")
    return Budget(rows=o.get("rows", int, 0), share=float(share), text=o.text("budget"), aside=o.text("aside"), hand_over=o.text("hand_over"))


def _column(o: _Object) -> Column:
    return Column(
        name=o.get("name", str), type=o.get("type", str), required=o.flag("required"), format=o.text("format"),
        zone=o.text("zone"), sensitive=o.flag("sensitive"), doc=o.text("doc"),
    )  # fmt: skip


def _declaration(o: _Object) -> Declaration:
    return Declaration(kind=o.get("kind", str), options=o.get("options", dict, {}))


def _check_of(o: _Object) -> Check:
    return Check(kind=o.get("kind", str), options=o.get("options", dict, {}), name=o.get("name", str), action=o.get("action", str))


def _table(o: _Object) -> Table:
    fields = [Field(f.get("column", str), f.get("transform", str), f.get("n", int, 0)) for f in o.objects("partition")]
    return Table(
        name=o.get("name", str), columns=tuple(_column(c) for c in o.objects("columns")), key=o.texts("key"),
        order_by=o.texts("order_by"), old_key=o.texts("old_key"), op_column=o.text("op_column"),
        op_codes=o.text_map("op_codes"), allow_empty=o.flag("allow_empty"), format=_declaration(o.object("format")),
        partial=o.flag("partial"), transforms=tuple(_declaration(t) for t in o.objects("transforms")),
        partition=tuple(fields), sort=o.texts("sort"), tombstone_seconds=o.get("tombstone_seconds", int, 0),
        properties=o.text_map("properties"), mode=o.text("mode") or UPSERT,
    )  # fmt: skip


def _target(o: _Object) -> Target:
    columns = tuple(_column(c) for c in o.objects("columns"))
    return Target(columns=columns, key=o.texts("key"), order_by=o.texts("order_by"))


def _check(m: Manifest) -> None:
    if m.load.kind not in (FULL, INCREMENTAL):
        raise Terminal("manifest: load.kind is neither full nor incremental")
    if m.table.mode not in (UPSERT, APPEND, SOFT_DELETE, HISTORY):
        raise Terminal("manifest: the job knows no such mode of tables")
    if m.table.mode == HISTORY and (m.tolerant or m.evolution is not None):
        raise Terminal("manifest: history tables with a contract, or whose bad rows are set aside, are for loads in process only (flag L)")
    if bool(m.table.key) == (m.table.mode == APPEND):
        raise Terminal("manifest: the table has no key, or one that its mode does not take")
    if m.table.old_key and len(m.table.old_key) != len(m.table.key):
        raise Terminal("manifest: the old key has not as many columns as the key")
    for name in m.table.key + m.table.order_by:
        m.table.column(name)
