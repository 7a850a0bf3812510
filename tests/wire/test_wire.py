import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jupyter_deploy.wire.arrays import pack_arrays, unpack_arrays
from jupyter_deploy.wire.board import Board, board_of
from jupyter_deploy.wire.frames import FrameReader, Kind, WireError, pack_frame
from jupyter_deploy.wire.messages import (
    PredictAnswer,
    PredictRequest,
    pack_answer,
    pack_request,
    unpack_answer,
    unpack_request,
)

numbers = hnp.arrays(
    dtype=st.sampled_from(["f8", "f4", "i8", "i4", "i2", "i1", "u8", "u1", "?", "M8[ns]"]),
    shape=hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
)
values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=3)


def objects(items):
    array = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        array[index] = item
    return array


@given(st.lists(numbers, max_size=4))
def test_numbers_arrive_bit_for_bit(arrays):
    arrived = unpack_arrays(memoryview(pack_arrays(arrays)))
    for sent, got in zip(arrays, arrived, strict=True):
        assert got.dtype == sent.dtype
        assert got.shape == sent.shape
        assert got.tobytes() == sent.tobytes()


@given(st.lists(values))
def test_strings_nulls_and_nested_lists_arrive_as_they_are(items):
    (got,) = unpack_arrays(memoryview(pack_arrays([objects(items)])))
    assert got.tolist() == items


def test_an_array_of_strings_arrives_with_its_shape():
    (got,) = unpack_arrays(memoryview(pack_arrays([np.array([["a", "b"], ["c", "d"]])])))
    assert got.tolist() == [["a", "b"], ["c", "d"]]


def test_an_object_that_is_no_data_is_not_sent():
    with pytest.raises(TypeError):
        pack_arrays([objects([object()])])


@given(st.lists(st.binary(max_size=50)), st.integers(1, 40))
def test_frames_are_whole_however_the_stream_is_cut(payloads, size):
    stream = b"".join(pack_frame(Kind.PREDICT, n, data) for n, data in enumerate(payloads))
    reader, frames = FrameReader(), []
    for start in range(0, len(stream), size):
        frames += reader.feed(stream[start : start + size])
    assert [(f.kind, f.id, bytes(f.payload)) for f in frames] == [
        (Kind.PREDICT, n, data) for n, data in enumerate(payloads)
    ]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 13, b"\xff" * 13])
def test_what_is_no_frame_is_an_error(data):
    with pytest.raises(WireError):
        FrameReader().feed(data)


@given(st.binary(max_size=200))
def test_truncated_or_foreign_arrays_are_a_value_error_or_arrays(data):
    with contextlib.suppress(ValueError):
        unpack_arrays(memoryview(data))


def test_a_request_and_its_answer_cross_whole():
    request = PredictRequest([np.arange(3.0), objects(["a", None, "b"])], 3, 29.5, {"k": 1})
    arrived = unpack_request(memoryview(pack_request(request)))
    assert (arrived.rows, arrived.seconds_left, arrived.params) == (3, 29.5, {"k": 1})
    assert arrived.arrays[1].tolist() == ["a", None, "b"]
    answer = PredictAnswer(("predictions",), [np.array(["No", "Yes"])], 0.25)
    back = unpack_answer(memoryview(pack_answer(answer)))
    assert (back.names, back.model_seconds, back.rowwise) == (("predictions",), 0.25, True)
    assert back.arrays[0].tolist() == ["No", "Yes"]


def test_a_board_says_what_a_replica_works_on_and_how_long_it_has(tmp_path):
    ours = Board.make(board_of(str(tmp_path / "r.sock")))
    theirs = Board.look(tmp_path / "r.work")
    assert theirs.frame_id == 0
    ours.begin(7, 10.0)
    assert (theirs.frame_id, theirs.busy_seconds(12.0)) == (7, 2.0)
    ours.end(13.0)
    assert (theirs.frame_id, theirs.busy_seconds(20.0)) == (0, 3.0)
    ours.begin(8, 30.0)
    assert theirs.busy_seconds(31.0) == 4.0


def test_a_replica_that_starts_again_has_a_board_of_its_own(tmp_path):
    path = tmp_path / "r.work"
    Board.make(path).begin(1, 5.0)
    before = Board.look(path)
    Board.make(path)
    assert (before.frame_id, Board.look(path).frame_id) == (1, 0)


def test_what_is_no_board_is_an_error_of_the_system(tmp_path):
    (tmp_path / "r.work").write_bytes(b"short")
    with pytest.raises(OSError, match="no board"):
        Board.look(tmp_path / "r.work")
