"""The checks of a table (the engine's package check) on the rows that a load is about
to commit: what is seen of the rows, the verdicts, and what follows from them. Texts
and numbers are those of the engine in Go, for either may judge a load of the table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from . import checks_apart, checks_counts, checks_rows
from .errors import RowError, Terminal
from .manifest import Check, Manifest

if TYPE_CHECKING:
    from .badrows import BadRows
    from .catalog import Table

WARN, QUARANTINE = "warn", "quarantine"
MAX_SUMMARY = 1 << 16  # bytes of verdicts in a snapshot's summary


class Held(Terminal):
    """A check holds the load back. verdicts are those of all checks."""

    def __init__(self, cause: str, verdicts: list[dict[str, Any]]) -> None:
        super().__init__(cause)
        self.verdicts = verdicts

    def diagnosis(self) -> dict[str, Any]:
        return super().diagnosis() | {"checks": self.verdicts}


class Checks:
    """The checks of one load."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.verdicts: list[dict[str, Any]] = []
        self.others: dict[int, DataFrame | None] = {}

    def begin(self, table: Table) -> None:
        """Finds the tables that are referred to. It is called before files are read."""
        for i, check in enumerate(self.manifest.checks):
            if check.kind not in checks_apart.KINDS and check.kind not in checks_rows.KINDS and check.kind not in checks_counts.KINDS:
                raise Terminal(f"the job knows no check {check.kind!r}")
            if check.kind == checks_apart.REFERENCES:
                self.others[i] = checks_apart.referred(table, self.manifest, check)

    def judge(self, won: DataFrame, read: int, bad: BadRows | None = None) -> None:
        """Judges the rows that won, of a load of so many rows. Raises Held, and where
        single rows are refused and may be set aside, what bad.refuse raises."""
        checks = self.manifest.checks
        tolerant = bad is not None and bad.tolerant
        listed = [i for i, c in enumerate(checks) if tolerant and c.action == QUARANTINE]
        seen = self._look(won, listed)
        refused = _first_of_each((place, checks[i].name) for i in listed for place in seen[i].places)
        if refused and bad is not None:
            bad.refuse([(f, n, "", "refused by check " + name) for (f, n), name in refused])
        self.verdicts = [self._verdict(c, s, read) for c, s in zip(checks, seen)]
        for check, s, verdict in zip(checks, seen, self.verdicts):
            if not verdict["ok"] and check.action != WARN:
                raise self._held(check, s, verdict)

    def summary(self) -> str:
        """The verdicts as a snapshot's summary has them; empty if they are too long."""
        text = json.dumps(self.verdicts, separators=(",", ":"), ensure_ascii=False)
        return text if self.verdicts and len(text.encode()) <= MAX_SUMMARY else ""

    def _look(self, won: DataFrame, listed: Sequence[int]) -> list[checks_rows.Seen]:
        checks = self.manifest.checks
        together = [i for i, c in enumerate(checks) if c.kind in checks_rows.KINDS]
        apart = {i: c for i, c in enumerate(checks) if c.kind in checks_apart.KINDS}
        seen = [checks_rows.Seen() for _ in checks]
        if not together and not apart:
            return seen
        rows = won.filter(F.col("kept") & F.col("f").isNotNull())
        rows_seen, found = checks_rows.look(self.manifest, rows, together, listed)
        for i, s in zip(together, found):
            seen[i] = s
        if apart:
            for i, s in checks_apart.look(self.manifest, rows, apart, self.others, listed).items():
                seen[i] = s
        for s in seen:
            s.rows = rows_seen
        return seen

    def _verdict(self, check: Check, seen: checks_rows.Seen, read: int) -> dict[str, Any]:
        if check.kind in checks_counts.KINDS:
            ok, finding, column = checks_counts.verdict(check, read)
        else:
            ok, finding, column = checks_rows.verdict(check, seen)
        verdict = {"check": check.name, "action": check.action, "ok": ok, "finding": finding}
        return verdict | ({"column": column} if column else {})

    def _held(self, check: Check, seen: checks_rows.Seen, verdict: dict[str, Any]) -> Held:
        cause = f"check {check.name}: {verdict['finding']}"
        if seen.first is None:
            return Held(cause, self.verdicts)
        (f, n), column = seen.first, verdict.get("column", "")
        at = RowError(self.manifest.files[f].location, n, column, "refused")
        held = Held(f"{at.cause}: {cause}", self.verdicts)
        held.file, held.row, held.column, held.rule = at.file, at.row, at.column, at.rule
        return held


def _first_of_each(refused: Iterator[tuple[tuple[int, int], str]]) -> list[tuple[tuple[int, int], str]]:
    """Of several checks that refuse a row the first one."""
    found: dict[tuple[int, int], str] = {}
    for place, name in refused:
        found.setdefault(place, name)
    return sorted(found.items())
