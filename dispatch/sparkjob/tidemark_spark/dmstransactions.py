"""The format of the files in which AWS DMS keeps the changes of all tables in the order
of their transactions (format.DMSTransactions), by the same rules."""

from __future__ import annotations

from collections.abc import Iterator

from . import csvformat
from .errors import Terminal
from .files import Input
from .folding import fold, fold_bytes
from .manifest import Declaration
from .scanning import Batch, Request, option

_LEAST = 3  # operation, table and schema


def scan(d: Declaration, source: Input, request: Request) -> Iterator[Batch]:
    """Reads the records of the table. Those of others count, but are passed over."""
    csv = _text(d, request)
    if request.full:
        yield from csvformat.scan(csv, source, request)
        return
    table, schema, any_case = option(d, "table", ""), option(d, "schema", ""), option(d, "lower_case", False)
    if not table or not schema:
        raise Terminal("dms transactions format: change files need the names of schema and table")
    names = (fold(table), fold(schema)) if any_case else (table.encode(), schema.encode())

    def mine(row: int, fields: list[bytes]) -> bool:
        if len(fields) < _LEAST:
            rule = f"has {len(fields)} fields, expected at least {_LEAST}: operation, table and schema"
            raise request.bad(row, "", rule)
        texts = (fields[1], fields[2])
        return (tuple(map(fold_bytes, texts)) if any_case else texts) == names

    yield from csvformat.scan(csv, source, request, mine)


def raw(d: Declaration, source: Input, request: Request, wanted: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    """The bytes of some records, by their numbers, as csvformat gives them."""
    return csvformat.raw(_text(d, request), source, request, wanted)


def _text(d: Declaration, request: Request) -> Declaration:
    """How the text of a file is read."""
    return Declaration("csv", option(d, "full" if request.full else "changes", {}))
