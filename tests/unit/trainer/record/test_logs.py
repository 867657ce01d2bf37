"""What is kept of the output of ranks, and what is hidden in it."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.record.logs import BoundedLog, Capture, without_secrets

ENDS_WITHIN = 10.0


def filled(lines: list[bytes], head: int, tail: int) -> BoundedLog:
    log = BoundedLog(head, tail)
    for line in lines:
        log.add(line)
    return log


def test_a_short_log_is_kept_whole():
    lines = [b"one\n", b"two\n"]
    assert filled(lines, 100, 100).content() == b"one\ntwo\n"


def test_of_a_long_log_the_beginning_and_the_end_are_kept_and_the_gap_is_told():
    log = filled([b"%04d\n" % number for number in range(1000)], 50, 100)
    kept = log.content().splitlines()
    assert kept[:10] == [b"%04d" % number for number in range(10)]
    assert kept[10] == b"[... 4850 bytes left out here ...]"
    assert kept[11:] == [b"%04d" % number for number in range(980, 1000)]


@given(st.lists(st.integers(0, 40).map(lambda length: b"." * length + b"\n"), max_size=60))
def test_nothing_is_lost_uncounted(lines: list[bytes]):
    log = filled(lines, 60, 90)
    content = log.content()
    assert len(content) <= 60 + 90 + 60
    if b"left out here" not in content:
        assert content == b"".join(lines)
    else:
        gap = next(line for line in content.splitlines() if line.startswith(b"[... "))
        assert int(gap.split()[1]) + len(content) - len(gap) - 1 == len(b"".join(lines))


def test_secrets_and_signatures_are_hidden():
    line = b"GET http://store/b/k?X-Amz-Signature=abc123&x=1 with hunter2-long and short\n"
    assert without_secrets(line, [b"hunter2-long", b"", b"sho"]) == (
        b"GET http://store/b/k?X-Amz-Signature=[hidden]&x=1 with [hidden] and short\n"
    )


def passed_on(folder: Path, printed: dict[int, bytes], secrets: list[bytes] | None = None) -> tuple[bytes, bytes]:
    """What is shown and what is kept of what the ranks printed."""
    log = BoundedLog()
    with (folder / "shown").open("wb") as shown:
        capture = Capture(log, shown.fileno(), secrets or [], len(printed))
        writers = []
        for rank in printed:
            source, writer = os.pipe()
            capture.follow(rank, source)
            writers.append(writer)
        for writer, text in zip(writers, printed.values(), strict=True):
            rest = text
            while rest:
                rest = rest[os.write(writer, rest) :]
            os.close(writer)
        capture.close(ENDS_WITHIN)
    return (folder / "shown").read_bytes(), log.content()


def test_a_lone_rank_is_passed_on_as_it_is(tmp_path: Path):
    text = b"12:00:00 INFO one\n\xff\xfe no text\nunfinished\n"
    assert passed_on(tmp_path, {0: text}) == (text, text)


def test_lines_of_several_ranks_say_whose_they_are(tmp_path: Path):
    printed = {2: b"12:00:00 INFO    rank 2/4 trained\nTraceback\n", 3: b"out of memory"}
    shown, kept = passed_on(tmp_path, printed)
    assert sorted(shown.splitlines()) == [
        b"12:00:00 INFO    rank 2/4 trained",
        b"[rank 2] Traceback",
        b"[rank 3] out of memory",
    ]
    assert sorted(kept.splitlines()) == sorted(shown.splitlines())


def test_a_line_without_end_is_passed_on_in_pieces(tmp_path: Path):
    shown, _ = passed_on(tmp_path, {0: b"x" * 300_000})
    assert shown == b"x" * 300_000 + b"\n"


def test_a_secret_is_seen_nowhere(tmp_path: Path):
    shown, kept = passed_on(tmp_path, {0: b"KeyError: 'a-secret-value'\n"}, [b"a-secret-value"])
    assert b"a-secret-value" not in shown + kept
    assert shown == b"KeyError: '[hidden]'\n"
