"""What readers keep of the rows until it is known which of them won.

The cells of a row are a list, one for each column of the table:

    None                a null
    UNSUPPLIED          the producer left the column as it is
    bytes               text that is not converted yet
    bool, int, ...      a plain value (see types), of formats that have types
    (rule, ...)         a value that is bad if anybody wants it (bad)
    [cell, file, row]   a cell that another row supplies (borrow)
    []                  COMMITTED: a value that the committed row supplies

Formats may add one element, which says what of several mistakes is reported: a
tuple of the columns in the order in which a record gave them, or the number of the
batch that the engine would read the row in.
"""

from __future__ import annotations

import marshal
from typing import Any

UNSUPPLIED: Any = ...
COMMITTED: list[Any] = []

# In an order, what is greater than any number of columns.
AFTER = 1 << 20

Cells = list[Any]


def pack(cells: Cells) -> bytes:
    """Encodes cells for the way through Spark. Both ends run the same Python."""
    return marshal.dumps(cells, 4)


def unpack(data: bytes) -> Cells:
    """Decodes what pack made."""
    return marshal.loads(data)


def bad(rule: str, order: tuple[int, ...] = (), row: int | None = None, column: str | None = None) -> Any:
    """A value that is bad. order places the mistake among those of its file; row and
    column are given where they are not those of the cell."""
    return rule, order, row, column


def borrow(cell: Any, file: int, row: int) -> Any:
    """A cell that completes another row. Its mistakes are those of its own place."""
    if isinstance(cell, list) or cell is None or cell is UNSUPPLIED:
        return cell
    return [cell, file, row]


def complete(upper: Cells, lower: Cells, place: tuple[int, int], columns: int) -> Cells:
    """The row above with the unsupplied cells of the row below, which is at place."""
    out = list(upper)
    for i in range(columns):
        if out[i] is UNSUPPLIED:
            out[i] = borrow(lower[i], *place)
    return out


def from_table(cells: Cells, columns: int) -> Cells:
    """The row with what is unsupplied left to the committed row."""
    return [COMMITTED if i < columns and c is UNSUPPLIED else c for i, c in enumerate(cells)]
