"""Tables of mode soft_delete: deletes leave their rows, marked (softdelete.go). The
mark is all that a delete supplies; a committed row that it marks is written once more
as it stands, without the transforms, which it has been through."""

from __future__ import annotations

import dataclasses
import datetime

import pyarrow as pa

from . import types
from .errors import Terminal
from .manifest import HISTORY, SOFT_DELETE, Column, File, Manifest
from .settle import MARKED, MARKED_BY_MOVE, MOVE, UPSERT, Fold, Key

_TIMES = ("timestamp", "timestamptz")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def marks(manifest: Manifest) -> bool:
    """Whether deletes of the load leave marked rows."""
    return manifest.table.mode == SOFT_DELETE and not manifest.load.full


def made(manifest: Manifest) -> tuple[Column, ...]:
    """The columns that the transforms make. Those of the mode follow them in the table:
    the mark, and the time."""
    columns = manifest.target.columns
    return columns[: len(columns) - {SOFT_DELETE: 2, HISTORY: 4}.get(manifest.table.mode, 0)]


def mode_columns(manifest: Manifest, at: pa.Array) -> list[pa.Array]:
    """The mode's columns of rows that were deleted at a time, null where they were not;
    or of versions that begin at a time, and are all that their keys have."""
    if manifest.table.mode == HISTORY:
        n = len(at)
        ends = pa.nulls(n, types.arrow("timestamptz"))
        return [at.view(types.arrow("timestamptz")), ends, pa.array([True] * n, pa.bool_()), pa.array([False] * n, pa.bool_())]
    if manifest.table.mode != SOFT_DELETE:
        return []
    return [at.is_valid(), at.view(types.arrow("timestamptz"))]


def fold(manifest: Manifest) -> Fold:
    """The fold of a load."""
    table = manifest.table
    if table.mode == HISTORY:
        return FirstFold(len(table.columns), table.partial, timed(manifest), [landed(f) for f in manifest.files])
    if not marks(manifest):
        return Fold(len(table.columns), table.partial)
    return SoftFold(len(table.columns), table.partial, timed(manifest), [landed(f) for f in manifest.files])


def timed(manifest: Manifest) -> bool:
    """Whether the first ordering column is a time."""
    table = manifest.table
    return bool(table.order_by) and table.column(table.order_by[0]).type in _TIMES


def landed(file: File) -> int:
    """When a file landed, in microseconds since 1970."""
    try:
        whole = datetime.datetime.fromisoformat(file.landed[:19] + "+00:00")
        rest = file.landed[19:]
        digits = len(rest) - len(rest.lstrip(".0123456789"))
        at = (whole - _EPOCH) // datetime.timedelta(microseconds=1) + int(rest[1:digits].ljust(6, "0")[:6])
        offset = rest[digits:]
        if offset == "Z":
            return at
        hours, minutes = offset[1:].split(":")
        return at - int(offset[0] + "1") * (int(hours) * 60 + int(minutes)) * 60_000_000
    except (ValueError, IndexError):
        raise Terminal("manifest: it does not say when a file landed") from None


@dataclasses.dataclass(slots=True)
class SoftKey(Key):
    """What is known of a key. The change that marks its row was at gone, in microseconds
    since 1970, and is at place; moved if that gave up the key."""

    gone: int | None = None
    place: tuple[int, int] = (0, 0)
    moved: bool = False


class SoftFold(Fold):
    """The fold of a load whose deletes leave marked rows. Deletes have the time of their
    order where timed, else that of their file's landing."""

    key = SoftKey

    def __init__(self, columns: int, partial: bool, timed: bool, landings: list[int]):
        super().__init__(columns, partial)
        self.timed, self.landings = timed, landings

    def hold(self, k: SoftKey, kind: int, f: int, n: int, eo, cells) -> None:
        if kind != UPSERT and (k.kind == UPSERT or k.kind == 0 and k.there):
            k.gone, k.place, k.moved = self.deleted_at(f, eo), (f, n), kind == MOVE
            return
        super().hold(k, kind, f, n, eo, cells)
        k.gone = None

    def deleted_at(self, f: int, order: bytes | None) -> int:
        if self.timed and order is not None:
            return int.from_bytes(order[:8], "big") - (1 << 63)
        return self.landings[f]

    def verdict(self, ek: bytes, k: SoftKey) -> tuple | None:
        if k.gone is None or k.twice:
            return super().verdict(ek, k)
        keep = b"" if k.order is None else k.order  # the row does not show the mark's order
        if k.kind == 0:
            kind = MARKED_BY_MOVE if k.moved else MARKED
            return ek, kind, True, *k.place, None, keep, k.order, ek, None, k.gone
        ek, kind, there, f, n, cells, _, drop, src, gaps, _ = super().verdict(ek, k)
        return ek, kind, there, f, n, cells, keep, drop, src, gaps, k.gone


class FirstFold(Fold):
    """The fold of a full load that begins a history table anew. Versions begin at the
    time of their change's order where timed, else at that of its file's landing."""

    def __init__(self, columns: int, partial: bool, timed: bool, landings: list[int]):
        super().__init__(columns, partial)
        self.timed, self.landings = timed, landings

    def verdict(self, ek: bytes, k: Key) -> tuple | None:
        found = super().verdict(ek, k)
        if found is None or k.kind != UPSERT:
            return found
        at = self.landings[k.f]
        if self.timed and k.ordered and k.order is not None:
            at = int.from_bytes(k.order[:8], "big") - (1 << 63)
        return *found[:-1], at
