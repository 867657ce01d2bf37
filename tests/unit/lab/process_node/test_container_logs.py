"""Logs and termination messages."""

import asyncio
from datetime import UTC, datetime

import pytest

from posefleet_lab.process_node.containers.logs import (
    LogOptions,
    copy_stream,
    last_lines,
    read_log,
    render,
    termination_message,
)


async def written(tmp_path, *chunks):
    file = tmp_path / "0.log"
    reader = asyncio.StreamReader()
    for chunk in chunks:
        reader.feed_data(chunk)
    reader.feed_eof()
    with file.open("ab") as log:
        await copy_stream(reader, "stdout", log)
    return file


async def read(file, **options):
    ended = asyncio.Event()
    ended.set()
    return b"".join([chunk async for chunk in read_log(file, LogOptions(**options), ended)])


async def test_a_log_comes_back_as_it_was_written(tmp_path):
    file = await written(tmp_path, b"one\ntw", b"o\n\nlast")
    assert await read(file) == b"one\ntwo\n\nlast"
    assert await read(file, follow=True) == b"one\ntwo\n\nlast"


async def test_a_long_line_is_split_and_joined(tmp_path):
    line = b"x" * 50_000 + b"\n"
    assert await read(await written(tmp_path, line)) == line


@pytest.mark.parametrize(("count", "expected"), [(0, b""), (1, b"3\n"), (2, b"2\n3\n"), (9, b"1\n2\n3\n")])
async def test_the_last_lines(tmp_path, count, expected):
    assert await read(await written(tmp_path, b"1\n2\n3\n"), tail_lines=count) == expected


async def test_a_limit_in_bytes(tmp_path):
    assert await read(await written(tmp_path, b"12345\n67890\n"), limit_bytes=8) == b"12345\n67"


def test_older_lines_are_left_out():
    line = b"2026-01-01T00:00:00.000000Z stdout F text"
    later = datetime(2026, 1, 2, tzinfo=UTC)
    assert render(line, LogOptions(since=later)) is None
    assert render(line, LogOptions(timestamps=True)) == b"2026-01-01T00:00:00.000000Z text\n"


async def test_the_end_of_a_log(tmp_path):
    assert last_lines(await written(tmp_path, b"1\n2\n3\n"), 2) == ["2\n", "3\n"]
    assert last_lines(tmp_path / "none.log", 2) == []


def test_the_termination_file_comes_first_and_is_bounded(tmp_path):
    file = tmp_path / "termination"
    file.write_bytes(b"x" * 5000 + b"end")
    assert termination_message(file, "FallbackToLogsOnError", 1, ["log"]) == "x" * 4093 + "end"


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [("File", 1, ""), ("FallbackToLogsOnError", 0, ""), ("FallbackToLogsOnError", 1, "b")],
)
def test_the_log_is_a_fallback_for_errors_only(tmp_path, policy, code, expected):
    (tmp_path / "termination").touch()
    assert termination_message(tmp_path / "termination", policy, code, ["b"]) == expected


def test_a_fallback_has_80_lines_and_2048_bytes(tmp_path):
    lines = [f"{number:039}\n" for number in range(200)]
    message = termination_message(tmp_path / "none", "FallbackToLogsOnError", 1, lines)
    assert len(message) == 2048
    assert message.endswith("199\n")
