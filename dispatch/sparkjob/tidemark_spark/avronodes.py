"""The schema of an Avro file as it is written, in which wanted columns are looked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .avrotree import NAMED, RECORDS, BadSchema, Number, consumes_digits, lifted, lifts, text_of, whole

_CONNECT = {
    "io.debezium.time.Date": "date", "org.apache.kafka.connect.data.Date": "date",
    "io.debezium.time.Timestamp": "local-timestamp-millis", "org.apache.kafka.connect.data.Timestamp": "local-timestamp-millis",
    "io.debezium.time.MicroTimestamp": "local-timestamp-micros", "io.debezium.time.NanoTimestamp": "local-timestamp-nanos",
    "io.debezium.time.ZonedTimestamp": "zoned-text",
}  # fmt: skip


@dataclass(eq=False)
class Node:
    """A type. Names of types that stand elsewhere are its kind."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    written: str = ""  # its logical type
    connect: Any = None  # what Kafka Connect calls it
    precision: int = 0
    scale: int = 0
    size: int = 0
    fields: list[tuple[str, Node]] = field(default_factory=list)
    others: list[Node] = field(default_factory=list)  # branches, items, values

    @property
    def logical(self) -> str:
        """The logical type, or what Kafka Connect calls it."""
        known = _CONNECT.get(self.connect) if isinstance(self.connect, str) else None
        return known or self.written

    @property
    def told(self) -> str:
        """The type as errors tell it."""
        return f"{self.kind} ({self.logical})" if self.logical else self.kind


def node(value: Any, within: str = "") -> Node:
    """The JSON of a type as a node."""
    if isinstance(value, str) and not isinstance(value, Number):
        return Node(value)
    if isinstance(value, list):
        return Node("union", others=[node(v, within) for v in value])
    return _object(value, within) if isinstance(value, dict) else Node()


def _object(m: dict[str, Any], within: str) -> Node:
    n = Node(text_of(m, "type") or "", text_of(m, "name") or "", written=text_of(m, "logicalType") or "")
    n.connect = m.get("connect.name")
    explicit = text_of(m, "namespace")
    if (n.name or n.kind in NAMED) and "." not in n.name:
        n.namespace = within if explicit is None else explicit
    if n.kind in NAMED:
        within = n.name[: max(n.name.rfind("."), 0)] if "." in n.name else n.namespace
    if consumes_digits(n.kind, n.written):
        n.precision, n.scale = _whole(m, "precision"), _whole(m, "scale")
    n.size = _whole(m, "size", True)
    if n.kind in RECORDS:
        n.fields = [_field(f, within) for f in m.get("fields") or []]
    elif n.kind in ("array", "map"):
        n.others = [node(m.get("items" if n.kind == "array" else "values"), within)]
    return n


def _field(m: dict[str, Any], within: str) -> tuple[str, Node]:
    kind = text_of(m, "type")
    made = _object(lifted(m, kind), within) if kind and lifts(m, kind) else node(m.get("type"), within)
    return text_of(m, "name") or "", made


def _whole(m: dict[str, Any], name: str, quoted: bool = False) -> int:
    try:
        return whole(m[name], quoted) if name in m else 0
    except BadSchema:
        return 0


class Names:
    """The definitions of named types, by their names with and without a namespace."""

    def __init__(self, root: Node) -> None:
        self._named: dict[str, Node] = {}
        self._learn(root)

    def _learn(self, n: Node) -> None:
        if n.kind in NAMED:
            full = f"{n.namespace}.{n.name}" if n.namespace and "." not in n.name else n.name
            self._named[full] = self._named[n.name] = n
        for _, child in n.fields:
            self._learn(child)
        for child in n.others:
            self._learn(child)

    def field(self, record: Node | None, name: str) -> Node | None:
        """The type of a record's field, without null."""
        if record is None or record.kind != "record":
            return None
        return next((self._resolved(child) for n, child in record.fields if n == name), None)

    def _resolved(self, n: Node) -> Node:
        """Follows names, and takes null out of a union."""
        for _ in range(3):
            if n.kind == "union":
                others = [b for b in n.others if b.kind != "null"]
                if len(others) != 1:
                    return n
                n = others[0]
            if n.kind not in self._named:
                return n
            n = self._named[n.kind]
        return n
