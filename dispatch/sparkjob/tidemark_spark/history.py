"""What the snapshots of a table tell of the loads in it, and what a load leaves
there. The names and the rules are those of the sink in Go
(sink/icebergsink/catalogsink/history.go)."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re

from .errors import Refused
from .manifest import Load, Manifest

PREFIX = "tidemark."
MAX_FILES = 2000
COUNTS = ("read", "inserted", "updated", "deleted", "unchanged", "superseded", "filtered", "quarantined",
          "removed_by_filter", "removed_as_old_key", "rows_before", "rows_after")
_FATES = COUNTS[1:8]


@dataclasses.dataclass
class Mark:
    """A load found in the table: its marks and its receipt."""

    props: dict
    receipt: dict


@dataclasses.dataclass
class History:
    """The loads that led to the present state of main, newest first."""

    head: dict | None = None
    marks: list[Mark] = dataclasses.field(default_factory=list)
    fence: int = 0
    memory: str = ""
    base: int = 0

    def find(self, load_id: str) -> dict | None:
        """The receipt of a load, None if it is not in the table."""
        for mark in self.marks:
            if load_id and mark.props.get(PREFIX + "load-id") == load_id:
                return {**mark.receipt, "found": True}
        return None

    def admit(self, table: str, fence: int) -> None:
        """Raises Refused where the table carries a newer fence."""
        if self.fence > fence:
            raise Refused(f"table {table} carries fence {self.fence}, the load has {fence}: stale fence")


def read(metadata: dict) -> History:
    """Reads a table's metadata, as JSON."""
    snapshots = {s["snapshot-id"]: s for s in metadata.get("snapshots", [])}
    props = metadata.get("properties", {})
    at = metadata.get("refs", {}).get("main", {}).get("snapshot-id")
    h = History(head=snapshots.get(at), fence=number(props, "fence"))
    settled, truncated, oldest = False, False, 0
    snap = h.head
    while snap is not None:
        oldest = snap.get("sequence-number", 0)
        summary = snap.get("summary", {})
        h.fence = max(h.fence, number(summary, "fence"))
        if summary.get(PREFIX + "load-id"):
            h.marks.append(Mark(summary, receipt(snap)))
            if not settled:
                settled, h.memory, h.base = True, summary.get(PREFIX + "memory", ""), number(summary, "base-sequence")
        parent = snap.get("parent-snapshot-id")
        snap = snapshots.get(parent)
        truncated = parent is not None and snap is None
    # The properties tell of a load whose snapshot has expired, if it lies before
    # what is retained.
    if truncated and not settled and props.get(PREFIX + "load-id") and number(props, "sequence") < oldest:
        h.marks.append(Mark(props, {"load_id": props[PREFIX + "load-id"], "snapshot": "", "committed": "0001-01-01T00:00:00Z",
                                    "counts": _counts(props), "files_written": 0, "bytes_written": 0}))
        h.memory, h.base = props.get(PREFIX + "memory", ""), number(props, "base-sequence")
    return h


def number(props: dict, name: str) -> int:
    """A number among the marks, 0 where it is none."""
    return _int(props.get(PREFIX + name, ""))


def receipt(snapshot: dict) -> dict:
    """The receipt (etl.Receipt) of the load of a snapshot."""
    summary = snapshot.get("summary", {})
    at = datetime.datetime.fromtimestamp(snapshot["timestamp-ms"] // 1000, datetime.timezone.utc)
    return {
        "load_id": summary.get(PREFIX + "load-id", ""), "snapshot": str(snapshot["snapshot-id"]),
        "committed": at.strftime("%Y-%m-%dT%H:%M:%S") + f".{snapshot['timestamp-ms'] % 1000:03d}Z",
        "counts": _counts(summary),
        "files_written": _int(summary.get("added-data-files", "")) + _int(summary.get("added-delete-files", "")),
        "bytes_written": _int(summary.get("added-files-size", "")),
    } | _verdicts(summary)


def marks(manifest: Manifest, counts: dict, memory: str, sequence: int, base: int, checks: str = "") -> tuple[dict, dict]:
    """What the snapshot of the load says, checks being the verdicts, and the share of it
    that the table's properties repeat."""
    load, files = manifest.load, manifest.files
    props = {
        "load-id": load.id, "kind": load.kind, "epoch": str(load.epoch),
        "watermark": load.watermark, "watermark-file": load.watermark_file,
        "landed": utc(load.landed), "fence": str(load.fence),
        "counts": json.dumps(counts, separators=(",", ":")), "memory": memory,
        "base-sequence": str(sequence if load.full else base), "sequence": str(sequence),
        "last-file": files[-1].location if files else "",
    }
    props = {PREFIX + k: v for k, v in props.items()}
    summary = {**props, PREFIX + "files": ",".join(f.id for f in files[:MAX_FILES])}
    if len(files) > MAX_FILES:
        summary[PREFIX + "files-truncated"] = "true"
    if checks:
        summary[PREFIX + "checks"] = checks
    if manifest.evolution is not None:
        return {**summary, **manifest.evolution.summary}, {**props, **manifest.evolution.properties}
    return summary, props


def utc(moment: str) -> str:
    """A time of RFC 3339 in UTC, with all of its digits; empty stays empty."""
    found = re.fullmatch(r"(.{19})(\.\d+)?(Z|[+-]\d\d:\d\d)", moment)
    if not found or moment.startswith("0001-01-01"):
        return ""
    whole = datetime.datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    part = (found[2] or "").rstrip("0").rstrip(".")
    return whole.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + part + "Z"


def unaccounted(counts: dict, load: Load, versions: bool = False) -> str | None:
    """What does not add up (etl.Target.Check); None if all does. versions is set where
    changes make versions: those of old keys and of absent ones add to the rows."""
    fates = sum(counts[name] for name in _FATES)
    if counts["read"] != fates:
        return f"{counts['read']} rows read, but {fates} accounted for"
    after = counts["inserted"]
    if versions:
        after += counts["rows_before"] + counts["removed_as_old_key"] + counts.get("removed_as_absent", 0) - counts["removed_by_filter"]
    elif not load.swaps:
        after += counts["rows_before"] - counts["deleted"] - counts["removed_by_filter"] - counts["removed_as_old_key"]
        after -= counts.get("removed_as_absent", 0)
    if counts["rows_after"] != after:
        return f"the table has {counts['rows_after']} rows after the load, expected {after}"
    return None


def _verdicts(summary: dict) -> dict:
    try:
        found = json.loads(summary.get(PREFIX + "checks", ""))
    except ValueError:
        return {}
    return {"checks": found} if isinstance(found, list) else {}


def _counts(props: dict) -> dict:
    try:
        found = json.loads(props.get(PREFIX + "counts", ""))
    except ValueError:
        found = {}
    return {name: int(found.get(name, 0)) for name in COUNTS} | {k: v for k, v in found.items() if k not in COUNTS}


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
