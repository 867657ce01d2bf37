"""The commands of a page of the documentation, as a reader would paste them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_FENCE = "```"
_EXCUSE = re.compile(r"<!-- not in the lab: (.+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block of shell commands."""

    line: int
    """Of its first command in the page, from 1."""
    text: str
    excuse: str = ""
    """Why the lab does not run it; empty if it does."""


def shell_blocks(page: str) -> list[Block]:
    """The blocks of a page that are fenced as ``sh``, in their order.

    A comment ``<!-- not in the lab: reason -->`` on the line before a fence excuses its block.

    Raises:
        ValueError: a fence is not closed, or an excuse excuses nothing.
    """
    return list(_shell_blocks(page.splitlines()))


def script(blocks: Iterable[Block], name: str) -> str:
    """What one bash runs: the blocks that the lab can run, each after a line that says where it stands."""
    parts = [f"printf '### %s\\n' '{name}:{block.line}'\n{block.text}" for block in blocks if not block.excuse]
    return "\n".join(["set -euo pipefail", *parts, ""])


def _shell_blocks(lines: list[str]) -> Iterator[Block]:
    at, excuse = 0, ""
    while at < len(lines):
        line = lines[at]
        if line.startswith(_FENCE):
            end = _end_of_fence(lines, at)
            language = line.removeprefix(_FENCE).strip()
            if excuse and language != "sh":
                raise ValueError(f"line {at}: this comment is not before a block of sh")
            if language == "sh":
                yield Block(at + 2, "\n".join(lines[at + 1 : end]), excuse)
            at, excuse = end, ""
        elif excuse:
            raise ValueError(f"line {at}: this comment is not before a block of sh")
        elif found := _EXCUSE.fullmatch(line.strip()):
            excuse = found[1]
        at += 1


def _end_of_fence(lines: list[str], start: int) -> int:
    for at in range(start + 1, len(lines)):
        if lines[at].rstrip() == _FENCE:
            return at
    raise ValueError(f"line {start + 1}: the block that begins here has no end")
