"""What is written in one turn of the loop goes out at once, in order, and never stays behind."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.gateway.joined import JoinedTransport


class Wire:
    """The transport inside: what was written to it, call by call."""

    def __init__(self):
        self.calls = []
        self.closed = False

    def write(self, data):
        assert not self.closed
        self.calls.append(data)

    def close(self):
        self.closed = True

    def get_extra_info(self, name):
        return f"the {name}"


def test_head_and_body_are_one_call():
    async def answer():
        wire = Wire()
        joined = JoinedTransport(wire, asyncio.get_running_loop())
        joined.write(b"head ")
        joined.write(b"body")
        assert wire.calls == [b"head body"]
        await asyncio.sleep(0)
        assert wire.calls == [b"head body"]

    asyncio.run(answer())


def test_a_head_without_a_body_leaves_at_the_end_of_the_turn():
    async def answer():
        wire = Wire()
        JoinedTransport(wire, asyncio.get_running_loop()).write(b"head")
        assert wire.calls == []
        await asyncio.sleep(0)
        assert wire.calls == [b"head"]

    asyncio.run(answer())


def test_nothing_stays_behind_when_the_connection_is_closed():
    async def answer():
        wire = Wire()
        joined = JoinedTransport(wire, asyncio.get_running_loop())
        joined.write(b"last words")
        joined.close()
        assert wire.calls == [b"last words"]
        assert wire.closed
        await asyncio.sleep(0)

    asyncio.run(answer())


def test_everything_else_is_the_inner_transports():
    async def ask():
        joined = JoinedTransport(Wire(), asyncio.get_running_loop())
        assert joined.get_extra_info("peername") == "the peername"
        with pytest.raises(AttributeError):
            joined.no_such_thing  # noqa: B018

    asyncio.run(ask())


@given(st.lists(st.tuples(st.binary(max_size=5), st.booleans()), max_size=20))
def test_bytes_keep_their_order_whenever_the_loop_turns(writes):
    async def write_all():
        wire = Wire()
        joined = JoinedTransport(wire, asyncio.get_running_loop())
        for data, turn in writes:
            joined.write(data)
            if turn:
                await asyncio.sleep(0)
        joined.close()
        assert b"".join(wire.calls) == b"".join(data for data, _ in writes)

    asyncio.run(write_all())
