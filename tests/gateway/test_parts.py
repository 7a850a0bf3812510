"""Parts of the gateway by themselves: what is decided without a socket."""

from __future__ import annotations

import asyncio
import json
import os
import tracemalloc
from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from jupyter_deploy.client.models import RequestFailure
from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type
from jupyter_deploy.core.keys import StoredKey, mint_key
from jupyter_deploy.errors import Forbidden, Overloaded, RequestTimeout, Unauthorized
from jupyter_deploy.gateway import log, metrics
from jupyter_deploy.gateway.admission import Admission
from jupyter_deploy.gateway.answers import AnswerEncoder
from jupyter_deploy.gateway.auth import Keyring
from jupyter_deploy.gateway.body import Receipt
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.decode import Input
from jupyter_deploy.gateway.dispatch import Reply, VersionQueue, Work, ask
from jupyter_deploy.gateway.dispatch import queue as queue_module
from jupyter_deploy.gateway.dispatch.flight import Flight
from jupyter_deploy.gateway.dispatch.pieces import joined
from jupyter_deploy.gateway.dispatch.poison import REFUSED_SECONDS, PoisonLedger
from jupyter_deploy.gateway.dispatch.work import MAX_BATCH_ROWS, BatchAnswer, shares, take_batch
from jupyter_deploy.gateway.errorlog import ErrorLog
from jupyter_deploy.wire.messages import PredictAnswer

NUMBER = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", ()))


def stored(**fields) -> tuple[StoredKey, bytes]:
    minted = mint_key(os.urandom)
    key = StoredKey(minted.key_id, "me", minted.digest, ("churn",), **fields)
    return key, b"Bearer " + minted.text.reveal().encode()


# --- keys and limits ------------------------------------------------------------------------------


def test_a_key_that_was_good_ends_at_its_expiry_though_it_is_remembered():
    key, sent = stored(expires_at=100.0)
    keyring = Keyring([key])
    assert keyring.caller({b"authorization": sent}, 99.9) is key
    with pytest.raises(Unauthorized):
        keyring.caller({b"authorization": sent}, 100.0)


def test_what_a_keyring_remembers_is_not_the_key():
    key, sent = stored()
    keyring = Keyring([key])
    keyring.caller({b"authorization": sent}, 0.0)
    assert sent[-20:] not in repr(vars(keyring)).encode()


def test_a_scope_is_the_exact_name():
    key, _ = stored()
    keyring = Keyring([key])
    keyring.check_scope(key, "churn")
    for name in ("churn2", "chur", "", "CHURN", "*"):
        with pytest.raises(Forbidden):
            keyring.check_scope(key, name)


def test_a_bucket_stays_while_the_rate_stays_and_is_new_with_a_new_rate():
    key, _ = stored(rate="2/minute")
    admission = Admission()
    admission.update([key], 0.0)
    assert admission.admit(key, 0.0)[1] is None
    admission.update([key], 0.0)
    assert admission.admit(key, 0.0)[1] is None
    assert admission.admit(key, 0.0)[1] is not None
    faster = replace(key, rate="5/minute")
    admission.update([faster], 0.0)
    assert admission.admit(faster, 0.0)[0][1] == (b"ratelimit", b'"default";r=4;t=12')


# --- bodies ---------------------------------------------------------------------------------------


def test_a_body_that_does_not_arrive_in_time_is_a_408_and_others_go_on():
    async def never():
        await asyncio.Event().wait()

    async def whole():
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def drip():
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def run():
        receipt = Receipt(seconds=0.05)
        reads = [receipt.body(receive, {}, 1000) for receive in (never, whole, drip, never)]
        first = await asyncio.gather(*reads, return_exceptions=True)
        return [*first, await receipt.body(whole, {}, 1000)]

    never_came, came, dripped, too, later = asyncio.run(run())
    assert (came, later) == (b"x", b"x")
    for error in (never_came, dripped, too):
        assert isinstance(error, RequestTimeout)
        assert dict(error.headers()) == {"connection": "close"}


def test_a_large_body_is_not_copied_when_it_is_there():
    left = [1_000_000] * 8
    piece = b"x" * 1_000_000

    async def receive():
        left.pop()
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def run():
        tracemalloc.start()
        try:
            body = await Receipt().body(receive, {}, 10_000_000)
            return body, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    body, peak = asyncio.run(run())
    assert body == piece * 8
    assert peak < 1.5 * len(body)


def test_a_caller_that_goes_away_while_its_body_is_read_is_no_timeout():
    async def run():
        task = asyncio.ensure_future(Receipt(seconds=9).body(asyncio.Event().wait, {}, 1000))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


# --- batches --------------------------------------------------------------------------------------


def works(*counts: int, alone: tuple[int, ...] = ()) -> deque[Work]:
    result = deque()
    for index, count in enumerate(counts):
        rows = [float(index)] * count
        work = Work(Input(count, rows), b"x" * count, request_id=str(index), consumer="me")
        work.alone = index in alone
        result.append(work)
    return result


def test_a_batch_takes_what_waits_up_to_its_bound_in_rows():
    def sizes():
        queue = works(4000, 96, 1, 5000)
        taken = []
        while queue:
            taken.append([work.input.count for work in take_batch(queue, 10)])
        return taken

    assert MAX_BATCH_ROWS == 4096
    assert sizes() == [[4000, 96], [1], [5000]]


def test_a_request_of_more_rows_than_shall_go_together_has_a_frame_of_its_own():
    queue = works(2, 2, 2, 9, 1)
    taken = [[work.input.count for work in take_batch(queue, 10, 5)] for _ in range(4)]
    assert taken == [[2, 2], [2], [9], [1]]


def test_a_request_that_goes_alone_neither_joins_nor_is_joined():
    def ids():
        queue = works(1, 1, 1, 1, alone=(1,))
        return [[work.request_id for work in take_batch(queue, 10)] for _ in range(3)]

    assert ids() == [["0"], ["1"], ["2", "3"]]


def test_a_request_that_has_ended_is_dropped():
    def left():
        queue = works(1, 1)
        queue[0].fail(Overloaded())
        return [work.request_id for work in take_batch(queue, 10)]

    assert left() == ["1"]


def test_shares_follow_each_other_without_a_gap():
    def rows():
        return [(start, stop) for _, start, stop in shares(list(works(2, 1, 3)))]

    assert rows() == [(0, 2), (2, 3), (3, 6)]


def test_answers_to_pieces_are_put_together_as_they_are():
    kinds = [np.array([2**53 + 1, 2]), np.array([0.5]), np.array([True])]
    answers = [BatchAnswer(PredictAnswer(("predictions",), [array], 0.0)) for array in kinds]
    replies = [Reply(one, 0, len(one.answer.arrays[0]), 0.0, 0.0) for one in answers]
    assert repr(joined(replies).arrays[0].tolist()) == repr([2**53 + 1, 2, 0.5, True])


def test_more_requests_than_may_wait_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(queue_module, "MAX_WAITING", 2)

    async def run():
        queue = VersionQueue(
            ArrayBuilder(NUMBER), batchable=True, timeout=30.0, ledger=PoisonLedger(),
            log=log.Log("test"), on_failure=lambda *_: None, on_batch=lambda *_: None,
        )  # fmt: skip
        waiting = [asyncio.ensure_future(ask(queue, work)) for work in works(1, 1)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await ask(queue, works(1)[0])
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        queue.retire()

    asyncio.run(run())


def test_a_poisonous_body_is_refused_for_its_time_and_no_longer():
    ledger = PoisonLedger()
    ledger.add(b"a", 0.0)
    assert ledger.holds(b"a", REFUSED_SECONDS - 1)
    assert not ledger.holds(b"b", 0.0)
    assert not ledger.holds(b"a", REFUSED_SECONDS)
    assert not ledger


class Dead:
    """The link of a replica that has died, and whether it had begun with its frame."""

    def __init__(self, *, begun: bool) -> None:
        self._begun = begun

    def has_begun(self, _frame_id: int) -> bool:
        return self._begun


@pytest.mark.parametrize(
    ("begun", "taken"),
    [
        ([True, True], [False, True]),
        ([True, False, True], [False, False, True]),
        # Reading it may be what kills: one that is no cause is not there at every death.
        ([False] * 4, [False, False, False, True]),
    ],
)
def test_a_request_is_the_cause_of_two_deaths_at_work_on_it_or_of_four_others(begun, taken):
    (work,) = works(1)
    assert [Flight(Dead(begun=so), 1, [work], 1, warm=True).was_deadly() for so in begun] == taken


def test_of_several_requests_in_a_frame_none_is_the_cause_of_a_death():
    batch = list(works(1, 1))
    assert not any(Flight(Dead(begun=True), 1, batch, 2, warm=True).was_deadly() for _ in range(9))


# --- arrays and answers ---------------------------------------------------------------------------


def test_rows_become_one_array_for_each_column_with_its_own_kind_of_missing_value():
    contract = Contract(
        Form.FRAME,
        (
            Column("f", Type.FLOAT, "float32", nullable=True),
            Column("i", Type.INTEGER, "int8"),
            Column("n", Type.INTEGER, "Int64", nullable=True),
            Column("b", Type.BOOLEAN, "bool"),
            Column("s", Type.STRING, "str", nullable=True),
            Column("t", Type.DATETIME, "datetime64[ns]", nullable=True),
            Column("o", Type.OBJECT, "object"),
        ),
    )
    rows = [(1.5, 1, 1, True, "a", 0, [1, 2]), (None, 2, None, False, None, None, [3, 4])]
    arrays = ArrayBuilder(contract).arrays(rows)
    assert [array.dtype.name for array in arrays] == [
        "float32", "int8", "object", "bool", "object", "datetime64[ns]", "object",
    ]  # fmt: skip
    assert np.isnan(arrays[0][1])
    assert arrays[2].tolist() == [1, None]
    assert np.isnat(arrays[5][1])
    assert arrays[6].tolist() == [[1, 2], [3, 4]]
    assert arrays[6].shape == (2,)


def test_a_frame_of_floats_travels_as_one_matrix():
    columns = tuple(Column(name, Type.FLOAT, "float64", nullable=True) for name in "abc")
    rows = [(1.0, None, 3.0), (4.0, 5.0, 6.0)]
    (matrix,) = ArrayBuilder(Contract(Form.FRAME, columns)).arrays(rows)
    assert matrix[:, ::2].tolist() == [[1.0, 3.0], [4.0, 6.0]]
    assert np.isnan(matrix[0, 1])


def test_the_rows_of_a_batch_follow_each_other():
    inputs = [Input(1, [1.0]), Input(2, [2.0, 3.0])]
    (array,) = ArrayBuilder(NUMBER).batch(inputs)
    assert array.tolist() == [1.0, 2.0, 3.0]


def reply(answer: PredictAnswer, start: int = 0, stop: int = 2) -> Reply:
    return Reply(BatchAnswer(answer), start, stop, 0.0, 0.0)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (PredictAnswer(("predictions",), [np.array([1, 2, 3])], 0.0), {"predictions": [1, 2]}),
        (
            PredictAnswer(("a", "b"), [np.array([1.5, np.nan]), np.array(["x", "y"])], 0.0,
                          columns=True),
            {"predictions": [{"a": 1.5, "b": "x"}, {"a": None, "b": "y"}]},
        ),
        (
            PredictAnswer(("predictions",), [np.array([{"any": [1]}], dtype=object)], 0.0,
                          rowwise=False),
            {"predictions": {"any": [1]}},
        ),
        (
            PredictAnswer(("predictions",), [np.array([2**70, np.inf], dtype=object)], 0.0),
            {"predictions": [2**70, None]},
        ),
        (
            PredictAnswer(("predictions",), [np.array(["\ud800", "é"], dtype=object)], 0.0),
            {"predictions": ["\ud800", "é"]},
        ),
        (
            PredictAnswer(("predictions",), [np.array(["2024-01-01", "NaT"], "M8[ns]")], 0.0),
            {"predictions": ["2024-01-01T00:00:00.000000000", None]},
        ),
    ],
)  # fmt: skip
def test_an_answer_is_written_row_by_row_or_as_it_is(answer, body):
    assert json.loads(AnswerEncoder(Output()).body(reply(answer))) == body


# --- what is kept ---------------------------------------------------------------------------------


def test_a_histogram_counts_a_value_in_the_first_bucket_that_holds_it():
    histogram = metrics.Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.add(value)
    assert histogram.cumulated() == [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)]


def test_a_log_value_cannot_start_a_line_or_look_like_a_field():
    assert log._line("fact", {"a": "x\ny=1", "b": "plain-1.2"}) == 'fact a="x\\ny=1" b=plain-1.2'


def test_the_file_of_failures_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("jupyter_deploy.gateway.errorlog._MOST_BYTES", 1000)
    failures = ErrorLog(tmp_path, log.Log("test"))
    for number in range(20):
        failure = RequestFailure(str(number), 0.0, "1.0.0", "me", "model-failed", "m", "t" * 100)
        failures.write("churn", failure)
    files = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert files.keys() == {"churn.jsonl", "churn.jsonl.1"}
    assert all(size <= 1000 for size in files.values())
    last = (tmp_path / "churn.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["request_id"] == "19"
