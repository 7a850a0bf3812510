"""What the Tab key offers in the line of a magic: flags, choices, variables, endpoints, versions.

Rule 1: what may follow is decided from the magic's parser and the text; only names of endpoints and
versions are asked of the supervisor.  Rule 2: without a supervisor none of them is offered, nothing
is started and nothing is said.
"""

from __future__ import annotations

import contextlib
import re
from argparse import ArgumentParser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from jupyter_deploy.client.discovery import connect
from jupyter_deploy.errors import DeployError

if TYPE_CHECKING:
    from jupyter_deploy.client.models import EndpointStatus

_LINE = re.compile(r"\s*%(\w+)\s+(.*)")
_NAMES, _VERSIONS = "names", "versions"
#: Flags whose values the supervisor knows.
_ASKED = {"--name": _NAMES, "--to": _VERSIONS}


class Completer:
    """Completes the lines of the magics whose parsers and first words are given.

    `firsts` are the words that come before the name of an endpoint (`create`); a magic that is not
    in it takes an expression first, so it is offered the notebook's `variables`.
    """

    def __init__(
        self,
        parsers: dict[str, ArgumentParser],
        firsts: dict[str, tuple[str, ...]],
        variables: Callable[[], list[str]],
    ) -> None:
        self._parsers = parsers
        self._firsts = firsts
        self._variables = variables

    def offered(self, text: str) -> tuple[str, list[str]]:
        """The word before the cursor, at the end of `text`, and what it may become."""
        match = _LINE.fullmatch(text)
        if match is None or match[1] not in self._parsers:
            return "", []
        *before, word = re.split(r"\s+", match[2])
        may_follow = self._may_follow(match[1], before, word)
        if isinstance(may_follow, str):
            may_follow = _asked(may_follow, before)
        return word, [text for text in may_follow if text.startswith(word)]

    def _may_follow(self, magic: str, before: list[str], word: str) -> str | list[str]:
        if word.startswith("-"):
            return _flags(self._parsers[magic])
        last = before[-1] if before else ""
        if last == "--sample" or (not before and magic not in self._firsts):
            return self._variables()
        if last.startswith("--"):
            return _ASKED.get(last) or _choices(self._parsers[magic], last)
        if magic not in self._firsts:
            return []
        firsts = self._firsts[magic]
        if firsts and not before:
            return list(firsts)
        return _NAMES if len(before) == bool(firsts) else []

    @context_matcher(identifier="jupyter_deploy")  # type: ignore[untyped-decorator]
    def matcher(self, context: CompletionContext) -> dict[str, Any]:
        """What IPython asks at each press of the Tab key."""
        word, offered = self.offered(context.text_until_cursor)
        completions = [SimpleCompletion(text, type="magic") for text in offered]
        # Names of files and of Python are not what belongs here.
        return {
            "completions": completions,
            "suppress": bool(offered),
            "matched_fragment": word,
        }


def _flags(parser: ArgumentParser) -> list[str]:
    return [flag for flag in _choices_of_flags(parser) if flag.startswith("--")]


def _choices(parser: ArgumentParser, flag: str) -> list[str]:
    return _choices_of_flags(parser).get(flag, [])


def _choices_of_flags(parser: ArgumentParser) -> dict[str, list[str]]:
    return {
        flag: [str(choice) for choice in action.choices or ()]
        for action in parser._actions  # noqa: SLF001 - argparse lists them nowhere else
        for flag in action.option_strings
    }


def _asked(what: str, before: list[str]) -> list[str]:
    known = {endpoint.name: endpoint for endpoint in _endpoints()}
    if what == _NAMES:
        return list(known)
    named = next((known[word] for word in before if word in known), None)
    return [version.version for version in named.versions] if named else []


def _endpoints() -> list[EndpointStatus]:
    with contextlib.suppress(DeployError), connect(start=False) as client:
        return client.endpoints()
    return []
