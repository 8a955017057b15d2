"""The usual forms of text, converted a column at a time by Arrow. A column that holds
anything else is left to the exact rules of textconv."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from . import types
from .manifest import Column

# Makes an array of cells, or None where they are not all of the usual form.
Quick = Callable[[Sequence[Any]], "pa.Array | None"]

_DATE = "[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_FORMS = {
    "int": "-?[0-9]{1,9}",
    "long": "-?[0-9]{1,18}",
    "double": r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?",
    "date": _DATE,
    "timestamp": _DATE + r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?",
}


def quick(col: Column) -> Quick | None:
    """Returns what converts the cells of a column, None where there is no such way."""
    if col.format or col.zone not in ("", "UTC"):
        return None
    if col.type == "string":
        return lambda cells: _cast(cells, "", pa.string())
    if size := types.decimal_size(col.type):
        precision, scale = size
        if precision == scale:
            return None
        behind = rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
        form = rf"-?[0-9]{{1,{precision - scale}}}" + behind
    else:
        form = _FORMS.get(col.type.removesuffix("tz"), "")
    if not form:
        return None
    to = types.arrow(col.type)
    between = pa.timestamp("us") if col.type == "timestamptz" else to
    return lambda cells: _cast(cells, f"^{form}$", between, to)


def _cast(cells: Sequence[Any], form: str, between: pa.DataType, to: pa.DataType | None = None) -> pa.Array | None:
    try:
        text = pa.array(cells, pa.binary()).cast(pa.string())
        if form and pc.all(pc.match_substring_regex(text, form)).as_py() is False:
            return None
        made = text.cast(between)
    except (pa.ArrowException, TypeError):
        return None
    return made if to is None or made.type == to else made.view(to)
