"""Values as texts that the tests in Go make of theirs, too."""

from __future__ import annotations

import math
import struct
from typing import Any

import pyarrow as pa

from tidemark_spark.parquetvalues import plain


def texts(array: pa.Array, type_name: str) -> list[str | None]:
    return [None if v is None else text(v, type_name) for v in plain(array)]


def text(value: Any, type_name: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(">d", value).hex()
    if type_name == "uuid":
        return value.decode().replace("-", "")
    return value.hex() if isinstance(value, bytes) else str(value)
