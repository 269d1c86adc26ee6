"""The page's field that switches a wrong data bar off: all pixels of the micrograph count then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BARS_NAME = "bars"
"""Name of the field, which belongs to the whole task."""
BARS_COUNT = "No data bar: all pixels count"
"""Its one choice."""


def bars_count(result: Sequence[Mapping[str, object]]) -> bool:
    """Whether an annotation has the field ticked: what was taken for a data bar belongs to the micrograph."""
    for item in result:
        value = item.get("value")
        if item.get("type") == "choices" and item.get("from_name") == BARS_NAME and isinstance(value, Mapping):
            chosen = value.get("choices")
            if isinstance(chosen, list) and BARS_COUNT in chosen:
                return True
    return False
