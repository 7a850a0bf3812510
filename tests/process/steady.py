"""Callers that never pause, the model that they ask, and what they are told when it fails."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.gateways import Stack
from tests.support import wait_until


class Marked:
    """Adds `plus` to each first number in `seconds` and `each` for a row; writes down its calls."""

    def __init__(
        self, calls: Path, plus: float = 0.0, seconds: float = 0.0, each: float = 0.0
    ) -> None:
        self.calls, self.plus, self.seconds, self.each = str(calls), plus, seconds, each

    def predict(self, x):
        import os

        # One write: two replicas never mix their lines.
        log = os.open(self.calls, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(log, f"{len(x)} {x[0, 0]}\n".encode())
        os.close(log)
        if (x[:, 0] == -1).any():
            raise ValueError("a bad row")
        if (x[:, 0] == -2).any():
            os._exit(1)
        time.sleep(self.seconds + self.each * len(x))
        if (x[:, 0] == -3).any():
            return "one value for all"
        return x[:, 0] + self.plus


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status, and the code in the problem document."""
    return answer.status_code, answer.json()["type"].rpartition("#")[2]


@dataclass
class Load:
    """Callers that send without a pause; `end` gives what they got."""

    stack: Stack
    name: str
    key: str
    callers: int = 8
    stopped: bool = False
    statuses: Counter = field(default_factory=Counter)
    wrong: list = field(default_factory=list)
    versions: list = field(default_factory=list)

    def __enter__(self) -> Load:
        self.pool = ThreadPoolExecutor(self.callers)
        self.tasks = [self.pool.submit(self.call, number) for number in range(self.callers)]
        self.wait_for_more()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stopped = True
        for task in self.tasks:
            task.result(60)
        self.pool.shutdown()

    def wait_for_more(self, answers: int = 100) -> None:
        """Until so many more requests have been answered."""
        goal = self.statuses.total() + answers
        wait_until(lambda: self.statuses.total() >= goal or self.failed(), 60)

    def failed(self) -> bool:
        for task in self.tasks:
            if task.done():
                task.result()
        return False

    def call(self, number: int) -> None:
        with httpx.Client(base_url=self.stack.url, timeout=60) as client:
            sent = number * 1_000_000
            while not self.stopped:
                sent += 1
                answer = client.post(f"/endpoints/{self.name}/invocations",
                                     json={"inputs": [[sent, 0]]},
                                     headers={"X-API-Key": self.key})  # fmt: skip
                self.statuses[answer.status_code] += 1
                version = answer.headers["x-model-version"]
                if not self.versions or self.versions[-1] != version:
                    self.versions.append(version)
                plus = {"1.0.0": 0.0, "1.1.0": 0.5}[version]
                if answer.json().get("predictions") != [sent + plus]:
                    self.wrong.append(answer.text)
