"""What a load does to the columns of its table, and how its files differ from them: as
the manifest says, which was planned in Go for the table as it was then
(etl.SchemaPlan, etl.FileShape)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import Retryable, Terminal


@dataclass(frozen=True)
class Shape:
    """How a file is read. All names but the values of names are of the table."""

    names: dict[str, str]  # in the file; empty is absent
    types: dict[str, str]  # in the file, of which not every value fits
    texts: dict[str, str]  # which columns of text are written from
    sparse: frozenset[str]  # which single records lack
    guards: tuple[Any, ...]  # columns of the file that no row may have a value in

    def named(self, column: str) -> str:
        """The name that a column has in the file."""
        return self.names.get(column) or column


@dataclass(frozen=True)
class Evolution:
    """What a load does to the columns of its table."""

    shapes: tuple[Shape | None, ...] = ()  # of the files
    nulls: frozenset[str] = frozenset()  # required columns in which a null ends the job
    new: bool = False
    schema_id: int = 0
    last_column_id: int = 0
    schema: dict | None = None  # the next one; None where it stays
    summary: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)

    def shape(self, file: int) -> Shape | None:
        """How a file is read that differs from the table's columns."""
        return self.shapes[file] if file < len(self.shapes) else None

    def check(self, table: str, metadata: dict, created: dict) -> None:
        """Raises Retryable unless the table is as it was planned for: then somebody
        else has changed its schema, and it has to be planned anew. created is the
        schema of a new table."""
        current = schema_of(metadata)
        if self.new:
            same = _fields(current) == _fields(created)
        else:
            same = (current["schema-id"], metadata["last-column-id"]) == (self.schema_id, self.last_column_id)
        if not same:
            raise Retryable(f"table {table}: its schema has changed since the load was planned")

    def after(self, metadata: dict) -> dict:
        """The schema that the commit leaves."""
        return self.schema or schema_of(metadata)


def schema_of(metadata: dict) -> dict:
    """The current schema."""
    return next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])


def _fields(schema: dict) -> tuple:
    fields = [(f["id"], f["name"], f["type"], f["required"]) for f in schema["fields"]]
    return fields, sorted(schema.get("identifier-field-ids", []))


def parse(o: Any, column: Any) -> Evolution:
    """Reads the manifest's member; o is its object, column reads a column."""
    shapes = [None if s is None else _shape(type(o)(s, f"{o.path}shapes[{i}]."), column) for i, s in enumerate(o.get("shapes", list, []))]
    schema = o.get("schema", dict, {}) or None
    if schema is not None and not isinstance(schema.get("fields"), list):
        raise Terminal("manifest: evolution.schema is not a schema")
    return Evolution(
        shapes=tuple(shapes), nulls=frozenset(o.texts("nulls")), new=o.flag("new"), schema_id=o.get("schema_id", int, 0),
        last_column_id=o.get("last_column_id", int, 0), schema=schema, summary=o.text_map("summary"),
        properties=o.text_map("properties"),
    )  # fmt: skip


def _shape(o: Any, column: Any) -> Shape:
    return Shape(
        names=o.text_map("names"), types=o.text_map("types"), texts=o.text_map("texts"),
        sparse=frozenset(o.texts("sparse")), guards=tuple(column(c) for c in o.objects("guards")),
    )  # fmt: skip
