"""Rows of Parquet files as JSON objects, as the engine in Go keeps them of bad rows
(parquetformat.Format.Raw): the values of the file, in the texts of its library."""

from __future__ import annotations

import base64
import datetime
import math
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np

from .compress import BadInput
from .files import Input
from .manifest import Declaration
from .parquetformat import BATCH_ROWS, opened
from .parquettypes import Source
from .parquetvalues import UNITS
from .scanning import Request

_CYCLE, _YEARS = 146_097, 400  # days and years after which the calendar repeats
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def raw(d: Declaration, source: Input, request: Request, wanted: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    """Some rows, by their numbers, as objects of those columns that the file has."""
    try:
        work = opened(d, source, request)
        found: dict[str, Source] = {}
        for c in request.columns:
            field, _, rule = work.find(c.name, c.type, True)
            if rule:
                raise request.bad(0, c.name, rule)
            if field is not None:
                found[c.name] = field
        leaves = sorted({f.leaf for f in found.values() if f.leaf is not None})
        row = 0
        for g in range(work.file.num_row_groups):
            rows = work.guard(lambda g=g: work.file.metadata.row_group(g).num_rows)
            if any(row < n <= row + rows for n in wanted):
                chunks, done = work.chunks(g, leaves), 0
                while done < rows:
                    size = min(BATCH_ROWS, rows - done)
                    columns = work.next(chunks, leaves, size)
                    for i in range(size):
                        if row + done + i + 1 in wanted:
                            yield row + done + i + 1, b"", _object(found, columns, i)
                    done += size
            row += rows
    except BadInput as e:
        raise request.bad(0, "", e.rule) from None


def _object(found: dict[str, Source], columns: dict[int, list[Any]], i: int) -> bytes:
    members = [f"{json_string(name.encode())}:{json_value(found[name], columns[found[name].leaf][i])}"
               for name in sorted(found, key=str.encode)]
    return ("{" + ",".join(members) + "}").encode()


def json_value(source: Source, v: Any) -> str:
    """A plain value of a type of the file."""
    name = source.name
    if v is None:
        return "null"
    if name == "bool":
        return "true" if v else "false"
    if name in ("float16", "float32", "float64"):
        return _float(np.float64(v) if name == "float64" else np.float32(v))
    if name == "date32":
        return f'"{day_text(v)}"'
    if name.startswith("timestamp["):
        return f'"{_moment(v, name)}"'
    if name.startswith("decimal"):
        return f'"{_decimal(v, source.precision, source.scale)}"'
    if name == "utf8":
        return json_string(v)
    if "uuid" in name:
        return f'"{uuid.UUID(bytes=bytes(v))}"'
    if isinstance(v, bytes):
        return f'"{base64.b64encode(v).decode()}"'
    return str(v)


def json_string(data: bytes) -> str:
    """Text as package encoding/json writes it."""
    out = []
    for c in data.decode("utf-8", "surrogateescape"):
        if c in _ESCAPES:
            out.append(_ESCAPES[c])
        elif "\udc80" <= c <= "\udcff":
            out.append("\\ufffd")  # a byte that is none of UTF-8
        elif c < " " or c in "<>&\u2028\u2029":
            out.append(f"\\u{ord(c):04x}")
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def _float(v: Any) -> str:
    if math.isnan(v) or math.isinf(v):
        return '"NaN"' if math.isnan(v) else '"+Inf"' if v > 0 else '"-Inf"'
    size = abs(v)
    if size != 0 and (size < type(v)(1e-6) or size >= type(v)(1e21)):
        return np.format_float_scientific(v, trim="-", exp_digits=1)
    return np.format_float_positional(v, trim="-")


def day_text(days: int) -> str:
    """A day, given as days since 1970, in a year of any size."""
    cycles, rest = divmod(days, _CYCLE)
    at = datetime.date(2000, 1, 1) + datetime.timedelta(days=rest - 10_957)  # from 1970 to 2369
    year = at.year + cycles * _YEARS
    return f"{'-' if year < 0 else ''}{abs(year):04d}-{at.month:02d}-{at.day:02d}"


def _moment(v: int, name: str) -> str:
    unit = UNITS[name[len("timestamp[") :].split(",")[0].rstrip("]")]
    seconds, part = divmod(v, unit)
    days, second = divmod(seconds, 86_400)
    day = day_text(days)
    if day.startswith("-") or len(day) > 10:
        return str(v)
    fraction = f".{part * (1_000_000_000 // unit):09d}".rstrip("0").rstrip(".")
    return f"{day}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{fraction}{'Z' if 'tz=' in name else ''}"


def _decimal(v: int, precision: int, scale: int) -> str:
    """A decimal as big.Float writes it in format g."""
    sign, digits = "-" if v < 0 else "", str(abs(v))
    if v == 0:
        return "0"
    point = len(digits) - scale  # where the point stands in the digits
    digits = digits.rstrip("0")
    most = precision
    if most > len(digits) >= point:
        most = len(digits)
    exponent = point - 1
    if exponent < -4 or exponent >= most:
        behind = "." + digits[1:] if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{behind}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"
