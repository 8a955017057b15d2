"""The transforms of a table, from their declared form."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from .errors import Terminal
from .manifest import Declaration


def apply(
    declarations: Sequence[Declaration], batch: pa.RecordBatch, places: Sequence[tuple[int, int]]
) -> tuple[pa.RecordBatch, pa.Array]:
    """Runs the chain on rows. places are file and row number of each. Returns the
    rows that are left, in their order, and which of the rows given they are."""
    kept = pa.array([True] * batch.num_rows, pa.bool_())
    for d in declarations:
        step = _KINDS.get(d.kind)
        if step is None:
            raise Terminal(f"the job knows no transform {d.kind!r}")
        batch = step(d.options, batch)
    return batch, kept


def _rename(options: dict, batch: pa.RecordBatch) -> pa.RecordBatch:
    names = options.get("columns") or {}
    return batch.rename_columns([names.get(n, n) for n in batch.schema.names])


def _select(options: dict, batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.select(_present(options, batch))


def _drop(options: dict, batch: pa.RecordBatch) -> pa.RecordBatch:
    gone = set(_present(options, batch))
    return batch.select([n for n in batch.schema.names if n not in gone])


def _present(options: dict, batch: pa.RecordBatch) -> list[str]:
    names = options.get("columns") or []
    for name in names:
        if name not in batch.schema.names:
            raise Terminal(f"a transform names the column {name!r}, which is not there")
    return names


_KINDS = {"rename": _rename, "select": _select, "drop": _drop}
