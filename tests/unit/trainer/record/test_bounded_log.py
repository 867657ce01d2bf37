"""What is kept of a long log."""

from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.record.logs import BoundedLog, without_secrets


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
