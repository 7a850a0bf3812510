"""Times as callers write them: RFC 3339 and the common forms of ISO 8601.

A time with an offset becomes UTC; a time without one stays as it is written.  The result is
nanoseconds since the epoch, because that is what pandas computes with.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

#: pandas and NumPy use this one as "not a time".
NOT_A_TIME = -(2**63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(:\d{2})?(?:[.,](\d{1,9}))?)?"
    r"([Zz]|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)


def nanoseconds(text: str) -> int:
    """The time in `text`.  Raises ValueError, or OverflowError outside the years 1677 to 2262."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not a time")
    day, minute, second, fraction, offset = match.groups()
    if (fraction and not second) or (offset and not minute):
        raise ValueError("not a time")
    zone = "+00:00" if offset in (None, "Z", "z") else offset
    since = datetime.fromisoformat(f"{day}T{minute or '00:00'}{second or ':00'}{zone}") - _EPOCH
    whole = (since.days * 86400 + since.seconds) * 1_000_000_000
    total = whole + int((fraction or "0").ljust(9, "0"))
    if not -(2**63) < total < 2**63:
        raise OverflowError("outside of what nanoseconds can hold")
    return total
