"""Canonical cells, by declared type, of expectations (text) and of what engines
return (Arrow columns). Two cells are the same value if and only if their
canonical forms are equal; null is None."""

import datetime
import decimal
import math
import struct
import uuid

import pyarrow as pa

EPOCH = datetime.datetime(1970, 1, 1)
MICRO = datetime.timedelta(microseconds=1)


def decimal_size(typ):
    """(precision, scale) of a decimal(p,s), else None."""
    if not typ.startswith("decimal("):
        return None
    precision, scale = typ[len("decimal("):-1].split(",")
    return int(precision), int(scale)


def parse_timestamp(text):
    """The naive datetime of "2006-01-02 15:04:05[.999999]"."""
    whole, _, fraction = text.partition(".")
    return datetime.datetime.fromisoformat(whole).replace(microsecond=int(fraction.ljust(6, "0") or 0))


def parse(typ, text):
    """The Python value of an expected cell."""
    if text is None:
        return None
    if typ == "bool":
        return {"true": True, "false": False}[text]
    if typ in ("int", "long"):
        return int(text)
    if typ == "float":
        return struct.unpack("f", struct.pack("f", float(text)))[0]
    if typ == "double":
        return float(text)
    if decimal_size(typ):
        return decimal.Decimal(text)
    if typ == "date":
        return datetime.date.fromisoformat(text)
    if typ in ("timestamp", "timestamptz"):
        return parse_timestamp(text)
    if typ == "binary":
        return bytes.fromhex(text)
    if typ == "uuid":
        return uuid.UUID(text)
    return text


def expected(typ, text):
    """The canonical form of an expected cell."""
    value = parse(typ, text)
    return None if value is None else canon(typ, value)


def canon(typ, v):
    if typ in ("float", "double"):
        return "nan" if math.isnan(v) else v.hex()
    if decimal_size(typ):
        scale = decimal_size(typ)[1]
        with decimal.localcontext(decimal.Context(prec=60, traps=[decimal.Inexact, decimal.InvalidOperation])):
            return format(v.quantize(decimal.Decimal(1).scaleb(-scale)), "f").replace("-0" if v == 0 else "--", "0")
    if typ == "date":
        return (v - EPOCH.date()).days
    if typ in ("timestamp", "timestamptz"):
        return (v - EPOCH) // MICRO
    if typ == "binary":
        return v.hex()
    if typ == "uuid":
        return str(v)
    return v


def column(typ, col):
    """The canonical cells of an Arrow column."""
    if isinstance(col, pa.ChunkedArray):
        col = col.combine_chunks()
    if isinstance(col, pa.ChunkedArray):  # no chunks
        col = pa.array([], col.type)
    if isinstance(col, pa.ExtensionArray):
        col = col.storage
    if typ == "date":
        return col.cast(pa.date32()).cast(pa.int32()).to_pylist()
    if typ in ("timestamp", "timestamptz"):
        return col.cast(pa.timestamp("us", col.type.tz)).cast(pa.int64()).to_pylist()
    return [None if v is None else canon(typ, native(typ, v)) for v in col.to_pylist()]


def native(typ, v):
    """v as parse would have it: engines without a type of their own for it
    hand out strings as bytes, and UUIDs as text or bytes."""
    if typ == "string" and isinstance(v, bytes):
        return v.decode()
    if typ == "uuid" and isinstance(v, bytes):
        return uuid.UUID(bytes=v)
    if typ == "uuid" and isinstance(v, str):
        return uuid.UUID(v)
    return v


def arrow_types(typ):
    """The Arrow types that a column of the declared type may come in."""
    size = decimal_size(typ)
    if size:
        return [pa.decimal128(*size)]
    return {
        "bool": [pa.bool_()], "int": [pa.int32()], "long": [pa.int64()], "float": [pa.float32()],
        "double": [pa.float64()], "date": [pa.date32()], "timestamp": [pa.timestamp("us")],
        "timestamptz": [pa.timestamp("us", "UTC"), pa.timestamp("us", "Etc/UTC"), pa.timestamp("us", "+00:00")],
        "string": [pa.string(), pa.large_string()], "binary": [pa.binary(), pa.large_binary()],
        "uuid": [pa.uuid(), pa.binary(16)],
    }[typ]
