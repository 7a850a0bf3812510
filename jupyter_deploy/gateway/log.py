"""Log lines: a fact, then fields.

Rule 1: a value that is not a plain word is written as JSON, so that no value can start a line or
look like a field.  Rule 2: nobody gives a key, a header or a body to a log line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time

_WORD = re.compile(r"[A-Za-z0-9._:/@+-]{1,200}", re.ASCII)
_LONGEST = 2000


class Log:
    """Writes lines like `replica down endpoint=churn version=1.2.0 in_flight=3`."""

    def __init__(self, name: str, **fields: object) -> None:
        self._logger = logging.getLogger(name)
        self._fields = fields

    def bind(self, **fields: object) -> Log:
        """A log whose lines have these fields too."""
        return Log(self._logger.name, **self._fields, **fields)

    def info(self, fact: str, **fields: object) -> None:
        """Something happened as it should."""
        self._write(logging.INFO, fact, fields)

    def warning(self, fact: str, **fields: object) -> None:
        """Something happened that somebody may have to look at."""
        self._write(logging.WARNING, fact, fields)

    def exception(self, fact: str, **fields: object) -> None:
        """An error of ours, with its trace."""
        self._logger.error(_line(fact, self._fields | fields), exc_info=True)

    def _write(self, level: int, fact: str, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, _line(fact, self._fields | fields))


def set_up(level: str) -> None:
    """Send all log lines of this process to stderr, with UTC times."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # uvicorn says what it does in its own words, and each bad request line would be one of them.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


def _line(fact: str, fields: dict[str, object]) -> str:
    return " ".join([fact, *(f"{name}={_value(value)}" for name, value in fields.items())])


def _value(value: object) -> str:
    text = str(value)[:_LONGEST]
    return text if _WORD.fullmatch(text) else json.dumps(text)
