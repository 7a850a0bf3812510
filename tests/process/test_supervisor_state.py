"""Keys and their secrets; a state that cannot be written; ports; configuration."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jupyter_deploy.client.discovery import begin, connect
from jupyter_deploy.client.models import (
    CreateKey,
    IssuedKey,
    RevokeKey,
    RotateKey,
)
from jupyter_deploy.errors import (
    Conflict,
    InvalidName,
    InvalidRate,
    NotFound,
    StateUnavailable,
    SupervisorUnavailable,
    UsageError,
)
from tests.process.stack import ROWS, Stack, end, me, ours, stack
from tests.support import free_port, wait_until


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("home")) as running:
        running.deploy("churn", 1.0)
        yield running


def issue(one: Stack, consumer: str = "billing", **more) -> IssuedKey:
    return one.client.create_key(CreateKey(consumer, ("churn",), me(), **more))


def secret_in(issued: IssuedKey) -> str:
    return Path(issued.file).read_text()


# --- keys -----------------------------------------------------------------------------------------


def test_a_new_key_opens_the_endpoint_and_lies_in_one_closed_file(one: Stack) -> None:
    issued = issue(one)
    file = Path(issued.file)
    assert file.name == f"churn-billing-{issued.key.key_id}.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not secret_in(issued).endswith("\n")
    assert one.predict("churn", key=secret_in(issued)) == [3.0, 7.0]


def test_the_notebook_has_a_key_of_its_own_from_the_first_deploy_on(one: Stack) -> None:
    status = one.endpoint("churn")
    assert status.key_file == str(one.home / "keys" / "churn-notebook.key")
    assert stat.S_IMODE(Path(status.key_file).stat().st_mode) == 0o600
    assert one.client.keys("churn")[0].consumer == "notebook"
    with pytest.raises(UsageError, match="the notebook itself"):
        issue(one, "notebook")


def test_a_key_of_the_notebook_that_is_damaged_says_so_and_the_next_deploy_renews_it(
    one: Stack,
) -> None:
    one.deploy("damaged", 1.0)
    file = Path(one.endpoint("damaged").key_file or "")
    for wrong in (b"", b"\xff\0\xff"):
        file.write_bytes(wrong)
        with pytest.raises(StateUnavailable, match="holds no key"):
            one.client.try_it("damaged", {"inputs": [[1.0, 2.0]]})
    for factor in (2.0, 3.0):
        one.deploy("damaged", factor)
    assert one.client.try_it("damaged", {"inputs": [[1.0, 2.0]]}).body["predictions"] == [9.0]
    done = [entry.action for entry in one.client.audit("damaged") if "key" in entry.action]
    assert done == ["key-rotated", "key-created"]
    assert len(one.client.keys("damaged")) == 1
    one.client.undeploy("damaged", me())


def test_a_rotated_key_keeps_its_identity_and_the_old_secret_for_a_while(one: Stack) -> None:
    issued = issue(one, "rotator")
    old = secret_in(issued)
    rotated = one.client.rotate_key(issued.key.key_id, RotateKey(me(), overlap_seconds=60))
    assert (rotated.key.key_id, rotated.file) == (issued.key.key_id, issued.file)
    second = secret_in(rotated)
    assert second != old
    assert one.predict("churn", key=old) == one.predict("churn", key=second)
    again = one.client.rotate_key(issued.key.key_id, RotateKey(me(), overlap_seconds=0))
    assert one.call("churn", key=old).status_code == 401
    assert one.call("churn", key=second).status_code == 401
    assert one.predict("churn", key=secret_in(again)) == [3.0, 7.0]


def test_a_revoked_key_is_refused_at_once_on_a_kept_alive_connection(one: Stack) -> None:
    issued = issue(one, "leaver")
    url = f"{one.endpoint('churn').url}/invocations"
    headers = {"authorization": f"Bearer {secret_in(issued)}"}
    with httpx.Client(headers=headers) as caller:
        assert caller.post(url, json={"inputs": ROWS.tolist()}).status_code == 200
        revoked = one.client.revoke_key(issued.key.key_id, RevokeKey(me()))
        assert caller.post(url, json={"inputs": ROWS.tolist()}).status_code == 401
    assert revoked.revoked_at is not None
    assert not Path(issued.file).exists()
    with pytest.raises(Conflict, match="revoked"):
        one.client.rotate_key(issued.key.key_id, RotateKey(me()))


def test_an_expired_key_is_refused(one: Stack) -> None:
    issued = issue(one, "visitor", expires_seconds=1.0)
    secret = secret_in(issued)
    wait_until(lambda: one.call("churn", key=secret).status_code == 401, 5)


def test_keys_that_cannot_be_are_refused_and_leave_no_file(one: Stack) -> None:
    before = sorted((one.home / "keys").iterdir())
    with pytest.raises(NotFound, match="nowhere"):
        one.client.create_key(CreateKey("billing", ("nowhere",), me()))
    with pytest.raises(InvalidName):
        issue(one, "../../etc/passwd")
    with pytest.raises(InvalidRate):
        issue(one, rate="often")
    with pytest.raises(UsageError, match="expires"):
        issue(one, expires_seconds=-1.0)
    with pytest.raises(UsageError, match="at least one"):
        one.client.create_key(CreateKey("billing", (), me()))
    with pytest.raises(NotFound):
        one.client.revoke_key("nosuchkey", RevokeKey(me()))
    assert sorted((one.home / "keys").iterdir()) == before


def test_no_secret_is_anywhere_but_in_its_file(one: Stack) -> None:
    issued = [issue(one, "scanned"), issue(one, "scanned2")]
    one.client.rotate_key(issued[1].key.key_id, RotateKey(me()))
    texts = [path.read_text() for path in (one.home / "keys").iterdir()]
    for text in texts:
        one.call("churn", key=text)
    # The random part of each key: an id and a prefix may be shown.
    secrets = [text.rpartition("_")[2].encode() for text in texts]
    seen = dict(files_but_keys(one.home))
    for process in ours(one.home):
        seen[f"argv of {process.pid}"] = " ".join(process.cmdline()).encode()
        seen[f"environment of {process.pid}"] = str(process.environ()).encode()
    shown = [one.client.status(), one.client.keys(), one.client.events(), one.client.audit()]
    seen["what the API shows"] = str(shown).encode()
    assert len(seen) > 10
    assert [place for place, data in seen.items() for secret in secrets if secret in data] == []


def files_but_keys(home: Path) -> Iterator[tuple[str, bytes]]:
    for folder, _, names in os.walk(home):
        files = [Path(folder, name) for name in names if Path(folder).name != "keys"]
        for file in filter(Path.is_file, files):
            # A journal of SQLite comes and goes.
            with contextlib.suppress(FileNotFoundError):
                yield str(file), file.read_bytes()


def test_what_was_done_with_keys_is_kept(one: Stack) -> None:
    actions = {entry.action for entry in one.client.audit("churn")}
    assert {"key-created", "key-rotated", "key-revoked"} <= actions


# --- state ----------------------------------------------------------------------------------------


def test_a_locked_state_is_a_clear_503_and_nothing_is_half_done(one: Stack) -> None:
    before = sorted((one.home / "keys").iterdir())
    other = sqlite3.connect(one.home / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StateUnavailable, match="locked"):
            issue(one, "unlucky")
        assert one.predict("churn") == [3.0, 7.0]
    finally:
        other.close()
    assert sorted((one.home / "keys").iterdir()) == before
    assert issue(one, "lucky").key.consumer == "lucky"


def test_the_control_api_is_described(one: Stack) -> None:
    from openapi_spec_validator import validate

    document = one.client.openapi()
    validate(document)
    assert "/api/endpoints/{name}/rollback" in document["paths"]
    assert "DeployTicket" in document["components"]["schemas"]


def test_what_no_route_knows_and_what_is_no_request_are_problems(one: Stack) -> None:
    transport = httpx.HTTPTransport(uds=str(one.client.socket))
    with httpx.Client(transport=transport, base_url="http://supervisor") as raw:
        answers = [
            raw.get("/api/nothing"),
            raw.put("/api/status"),
            raw.post("/api/keys", json={"consumer": 3, "endpoints": "secret-value"}),
            raw.post("/api/keys", content=b"{"),
            raw.get("/api/events", params={"after": "soon"}),
        ]
    assert [answer.status_code for answer in answers] == [404, 405, 400, 400, 400]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) >= {"type", "title", "status", "detail", "instance"}
        assert "secret-value" not in answer.text


def test_who_waits_for_events_gets_the_next_one(one: Stack) -> None:
    last = max((event.number for event in one.client.events()), default=0)
    found: list = []
    waiting = threading.Thread(target=lambda: found.extend(one.client.events(last, wait=20)))
    waiting.start()
    one.deploy("churn", 1.0)
    waiting.join(20)
    assert found[0].number == last + 1


def test_a_token_of_the_jupyter_server_is_not_inherited(tmp_path: Path) -> None:
    with stack(tmp_path / "home", JPY_API_TOKEN="jupyter-secret", MY_TOKEN="mine") as one:
        one.deploy("churn", 1.0)
        children = [p for p in ours(one.home) if p.pid != one.supervisor_pid()]
        assert len(children) >= 2
        for process in ours(one.home):
            assert "jupyter-secret" not in str(process.environ())
        for process in children:
            assert "MY_TOKEN" not in process.environ()


def test_a_port_in_use_is_passed_over_and_the_one_found_is_kept(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asked = taken.getsockname()[1]
        with stack(tmp_path / "home", JUPYTER_DEPLOY_PORT=str(asked)) as one:
            first = one.client.status().gateway
            assert first.url != f"http://127.0.0.1:{asked}"
            port = first.url.rpartition(":")[2]
            assert first.note == f"Port {asked} was in use: {port} is kept instead."
            one.stop()
            taken.close()
            one.start()
            assert one.client.status().gateway.url == first.url


def test_a_home_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StateUnavailable, match="cannot be used"):
        connect()


def test_a_log_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "logs" / "supervisor.log").mkdir(parents=True)
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path / "home"))
    with pytest.raises(StateUnavailable, match="cannot be written: Is a directory"):
        connect()


def test_an_address_that_is_not_loopback_is_refused_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "config"
    configuration.mkdir()
    (configuration / "jupyter_deploy_config.py").write_text('c.SupervisorApp.ip = "0.0.0.0"\n')
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(configuration))
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path / "home"))
    with pytest.raises(SupervisorUnavailable, match="without TLS"):
        connect()


def test_a_state_of_a_newer_release_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with sqlite3.connect(home / "state.db") as newer:
        newer.execute("PRAGMA application_id = 1784964464")
        newer.execute("PRAGMA user_version = 99")
    before = (home / "state.db").read_bytes()
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(home))
    monkeypatch.setenv("JUPYTER_DEPLOY_PORT", str(free_port()))
    with pytest.raises(SupervisorUnavailable, match="newer release"):
        connect()
    assert (home / "state.db").read_bytes() == before


def test_whoever_has_begun_a_supervisor_is_connected_to_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DEPLOY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_DEPLOY_PORT", str(free_port()))
    begun = begin()
    assert begun is not None
    one = Stack(tmp_path / "home", connect(begun=begun))
    try:
        assert one.client.ping() == begun.pid
        assert begin() is None
    finally:
        end(one)


# --- what it costs --------------------------------------------------------------------------------


def test_supervisor_and_gateway_are_small_and_idle(one: Stack) -> None:
    status = one.client.status()
    parts = [psutil.Process(pid) for pid in (status.supervisor.pid, *status.gateway.pids)]
    memory = sum(part.memory_info().rss for part in parts)
    assert memory < 250e6, f"{memory / 1e6:.0f} MB"
    assert not {"mlflow", "pandas"} & modules_of(parts[0])
    before, began = cpu(one), time.monotonic()
    threading.Event().wait(5.0)
    share = (cpu(one) - before) / (time.monotonic() - began)
    assert share < 0.03, f"{share:.1%} of a core"


def cpu(one: Stack) -> float:
    """CPU seconds of the whole stack, the registrar left out: it ends when it has nothing to do."""
    processes = [p for p in ours(one.home) if "jupyter_deploy.registry" not in p.cmdline()]
    return sum(p.cpu_times().user + p.cpu_times().system for p in processes)


def modules_of(process: psutil.Process) -> set[str]:
    """Packages of which the process has mapped a compiled module."""
    paths = {Path(one.path) for one in process.memory_maps()}
    return {part for path in paths for part in path.parts if part in ("mlflow", "pandas")}
