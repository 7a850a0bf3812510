"""The line after a magic, taken apart: expressions stay whole, everything else are flags.

Rule: a flag starts outside of brackets and quotes, after a space, with `--` and a letter; all text
up to the next one belongs to it.  So `%deploy make(X, depth=-1) --sample X[ :50 ] --name churn`
needs no quoting, as it would with a shell's rules.  A `#` there begins a comment, as in Python.
"""

from __future__ import annotations

import io
import re
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import pairwise

from IPython.core.error import UsageError

_FLAG = re.compile(r"--[a-zA-Z][a-zA-Z0-9-]*")
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "'\""


def parse(
    parser: ArgumentParser,
    line: str,
    *,
    switches: frozenset[str] = frozenset(),
    expressions: frozenset[str] = frozenset(),
) -> Namespace:
    """What `line` asks for.

    `switches` are the flags that take no value, `expressions` those whose value is Python; the
    positional argument is what is left.  Raises IPython's UsageError, in one line with the usage.
    """
    parser.allow_abbrev = False
    try:
        _check_once(line)
        return parser.parse_args(arguments(line, switches, expressions))
    except (UsageError, ValueError) as error:
        said = str(error).replace("arguments: -- ", "arguments: ")
        raise UsageError(f"{said}. Usage: {usage(parser)}") from None


def usage(parser: ArgumentParser) -> str:
    """How the magic is called, in one line."""
    return " ".join(parser.format_usage().replace("::", "").split())


def arguments(
    line: str, switches: frozenset[str] = frozenset(), expressions: frozenset[str] = frozenset()
) -> list[str]:
    """`line` as arguments for argparse; text that belongs to no flag comes last, as one."""
    free, flags = [], []
    for flag, text in segments(line):
        if not flag:
            free.append(text)
        elif flag in expressions:
            flags.append(f"{flag}={text}" if text else flag)
        elif flag in switches:
            flags.append(flag)
            free.append(text)
        else:
            value, rest = _word(text)
            flags.append(flag if value is None else f"{flag}={value}")
            free.append(rest)
    left = " ".join(part for part in free if part)
    return [*flags, "--", left] if left else flags


def segments(line: str) -> list[tuple[str, str]]:
    """The line cut at its flags, as pairs of a flag ("" before the first one) and its text."""
    line = _without_comment(line)
    cuts = [*_flag_places(line), (len(line), len(line))]
    found = [("", line[: cuts[0][0]].strip())]
    for (start, end), (following, _) in pairwise(cuts):
        text = line[end:following].strip()
        found.append((line[start:end], text.removeprefix("=").strip()))
    return [pair for pair in found if any(pair)]


def _check_once(line: str) -> None:
    # argparse takes the last one without a word.
    flags = [flag for flag, _ in segments(line) if flag]
    for flag in flags:
        if flags.count(flag) > 1:
            raise ValueError(f"{flag} is given more than once")


def _without_comment(line: str) -> str:
    begins = (place for place, _ in _bare(line) if line[place] == "#" and _begins(line, place))
    return line[: next(begins, len(line))]


def _flag_places(line: str) -> Iterator[tuple[int, int]]:
    for place, depth in _bare(line):
        match = _FLAG.match(line, place)
        if match and depth <= 0 and _begins(line, place):
            yield match.span()


def _begins(line: str, place: int) -> bool:
    """Whether a word begins there."""
    return place == 0 or line[place - 1].isspace()


def _bare(line: str) -> Iterator[tuple[int, int]]:
    """The places that are in no quotes, and how many brackets are open there."""
    depth, quote, place = 0, "", 0
    while place < len(line):
        sign = line[place]
        if quote:
            place += 2 if sign == "\\" else 1
            quote = "" if sign == quote else quote
            continue
        if sign in _QUOTES:
            quote = sign
        depth += (sign in _OPENING) - (sign in _CLOSING)
        yield place, depth
        place += 1


def _word(text: str) -> tuple[str | None, str]:
    """The first word of `text` as a shell reads it, and what follows it."""
    if not text:
        return None, ""
    stream = io.StringIO(text)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    return lexer.get_token(), stream.read().strip()
