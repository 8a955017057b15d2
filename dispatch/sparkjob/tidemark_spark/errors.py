"""Errors of the job. None of them holds a cell's value or a secret."""

from __future__ import annotations

import base64
import json
import re
from typing import Any


class JobError(Exception):
    """An error with an outcome: what it says of the work that it ended."""

    outcome = "retry"

    def __init__(self, cause: str, file: str = "") -> None:
        self.cause = f"{printable(file)}: {cause}" if file else cause
        self.file = file
        self.row = 0
        self.column = ""
        self.rule = ""
        super().__init__(self.cause)

    def diagnosis(self) -> dict[str, Any]:
        """The error as the JSON of etl.JobFailure, without the load's ID."""
        out: dict[str, Any] = {"cause": self.cause, "outcome": self.outcome}
        for name in ("file", "row", "column", "rule"):
            if value := getattr(self, name):
                out[name] = value
        return out


class Retryable(JobError):
    """Nothing happened, and it may go better next time."""


class Terminal(JobError):
    """Nothing happened, and it will not go better by itself."""

    outcome = "terminal"


class Refused(JobError):
    """Somebody with a newer fence works on the table."""

    outcome = "refused"


class Indeterminate(JobError):
    """It may have happened."""

    outcome = "indeterminate"


class FileChanged(Terminal):
    """The location holds other content than was registered."""

    def __init__(self, file: str) -> None:
        super().__init__("file changed since it was registered", file)


class FileVanished(Terminal):
    """The file is gone from its source."""

    def __init__(self, file: str) -> None:
        super().__init__("file vanished", file)


class RowError(Terminal):
    """Bad input, pinned to its place.

    Rows count from 1 without a header; 0 is the whole file. Of several errors that
    one is reported which comes first by order: the file's place in the load, then
    what the format says.
    """

    def __init__(
        self, file: str, row: int, column: str, rule: str, order: tuple[int, ...] = ()
    ) -> None:
        super().__init__("")
        self.file, self.row, self.column, self.rule, self.order = file, row, column, rule, order
        where = f"row {row} of " if row > 0 else ""
        of = f": column {printable(column)}" if column else ""
        self.cause = f"{where}{printable(file)}{of}: {rule}"
        self.args = (self.cause,)

    def __reduce__(self) -> tuple[Any, ...]:
        return RowError, (self.file, self.row, self.column, self.rule, self.order)


class BadValue(Exception):
    """A value that is none of its type. The rule does not quote it."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(rule)


def printable(text: str) -> str:
    """Text as it is, or quoted where it could forge log lines."""
    return text if text.isprintable() else json.dumps(text)


_MARK = re.compile(r"tidemark-error\(([A-Za-z0-9+/=]+)\)")


class Carried(RuntimeError):
    """An error on its way through Spark, which passes on only text."""


def carry(err: JobError) -> Carried:
    """Wraps an error so that find gets it back from what Spark makes of it."""
    body = err.diagnosis() | {"order": list(getattr(err, "order", ()))}
    return Carried("tidemark-error(%s)" % base64.b64encode(json.dumps(body).encode()).decode())


def find(text: str) -> JobError | None:
    """The first by order of the errors that text carries."""
    found = [_restore(json.loads(base64.b64decode(m))) for m in _MARK.findall(text)]
    return min(found, key=lambda e: getattr(e, "order", ()), default=None)


def _restore(body: dict[str, Any]) -> JobError:
    if body.get("rule"):
        order = tuple(body["order"])
        return RowError(body.get("file", ""), body.get("row", 0), body.get("column", ""), body["rule"], order)
    kinds = {k.outcome: k for k in (Retryable, Terminal, Refused, Indeterminate)}
    err = kinds[body["outcome"]](body["cause"])
    err.file = body.get("file", "")
    return err
