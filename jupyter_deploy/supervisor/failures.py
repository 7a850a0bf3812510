"""Why a replica could not become ready, in the words of the person who deployed it.

Pure: what the process reported, how it ended and what it printed are arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from jupyter_deploy.errors import ReplicaFailed
from jupyter_deploy.supervisor.launch import Report
from jupyter_deploy.supervisor.processes import Exit

LOG_LINES = 15
_MISSING = re.compile(r"No module named '([\w.]+)'")
_MISSING_TYPES = ("ModuleNotFoundError", "ImportError")


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: what happened, what to do, and the last lines of the log."""

    reason: str
    fix: str
    log: tuple[str, ...]

    @property
    def sentences(self) -> str:
        """What happened and what to do."""
        return f"{self.reason} {self.fix}".strip()

    def error(self, step: str) -> ReplicaFailed:
        """This failure as the end of a step of a deploy."""
        return ReplicaFailed(step, self.reason, self.fix, self.log)


class FilesLost(OSError):
    """The files of a version are not those that were deployed, and cannot be had again."""

    fix = "Deploy the model again."

    @property
    def reason(self) -> str:
        """One sentence."""
        return str(self)


class FilesAway(OSError):
    """The files of a version cannot be looked at now: that says nothing about them."""

    fix = "Have it there again: it is looked for every second."

    @property
    def reason(self) -> str:
        """One sentence."""
        return str(self)


def not_started(error: OSError, python: str) -> Failure:
    """The process could not be started at all."""
    if isinstance(error, FilesLost | FilesAway):
        return Failure(error.reason, error.fix, ())
    said = error.strerror or str(error)
    if isinstance(error, FileNotFoundError | PermissionError):
        return Failure(
            f"The interpreter {python} cannot be started: {said}.",
            "Deploy again from a kernel whose environment is there.",
            (),
        )
    return Failure(f"No process can be started now: {said}.", "Make room, then try again.", ())


def ended(
    exit_: Exit, report: Report | None, log: list[str], expected: Mapping[str, str]
) -> Failure:
    """The process ended before it was ready; `expected` are the packages of the notebook."""
    lines = tuple(log[-LOG_LINES:])
    if report is None or not report.stage:
        return Failure(
            f"A fresh process {exit_} while it loaded the model.", _of_exit(exit_, lines), lines
        )
    what = "load" if report.stage == "load" else "predict the sample with"
    reason = f"A fresh process cannot {what} the model: {report.type}: {report.message}"
    return Failure(_sentence(reason), of_report(report, expected), lines)


def crashed(exit_: Exit, log: list[str]) -> Failure:
    """The process had been ready, and ended."""
    lines = tuple(log[-LOG_LINES:])
    return Failure(
        f"Its processes end soon after they are ready; the last one {exit_}.",
        _of_exit(exit_, lines),
        lines,
    )


def too_slow(seconds: float, log: list[str]) -> Failure:
    """The process did not become ready in time."""
    return Failure(
        f"A fresh process has not loaded the model within {seconds:g} s.",
        "The log's last lines say how far it came.",
        tuple(log[-LOG_LINES:]),
    )


def _of_exit(exit_: Exit, log: tuple[str, ...]) -> str:
    if exit_.out_of_memory:
        return "Free some memory, or deploy a smaller model or fewer replicas."
    if not log:
        return "It wrote nothing: look for what ends a process in the model's own code."
    return "The log's last lines say more."


def of_report(report: Report, expected: Mapping[str, str]) -> str:
    """The likely cause of what the model raised, and what to do."""
    missing = _MISSING.search(report.message)
    if missing is not None and report.type in _MISSING_TYPES:
        return (
            f"Likely cause: the module {missing[1]!r} is only found by the notebook. Install it in "
            "the kernel's environment, or define what the model needs in the notebook itself."
        )
    if report.type == "NameError":
        return "Likely cause: the model uses a name that exists in the notebook only."
    differing = differences(expected, report.packages)
    if differing:
        return f"Likely cause: packages at another version: {', '.join(differing)}."
    return "The log's last lines say more."


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Packages whose versions differ, in words; at most five."""
    differing = [
        f"{name} is {found[name]}, the notebook has {version}"
        for name, version in sorted(expected.items())
        if name in found and found[name] != version
    ]
    return differing[:5]


def _sentence(text: str) -> str:
    line = " ".join(text.split())
    cut = line if len(line) <= 400 else f"{line[:399]}…"
    return cut if cut.endswith((".", "…", "!", "?")) else f"{cut}."
