"""Lines of several ranks on their way through the launcher."""

import os
from pathlib import Path

from posefleet_trainer.record.logs import BoundedLog, Capture

ENDS_WITHIN = 10.0


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
