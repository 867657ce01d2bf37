import subprocess
from pathlib import Path

import pytest

from support.commands import Block, script, shell_blocks

DOCS = Path(__file__).parents[3] / "docs"
#: Pages whose commands ``make e2e`` runs word for word, and the blocks that it cannot run.
EXCUSED = {
    "install.md": ["no registry to push to", "it has a store", "its store speaks plain HTTP"],
    "scientist.md": ["it shows changes until you press Ctrl-C"],
}


def blocks_of(page: str) -> list[Block]:
    return shell_blocks((DOCS / page).read_text())


def test_blocks_come_in_order_with_their_lines() -> None:
    page = "# Title\n\n```sh\none\ntwo\n```\n\n```\nprinted\n```\ntext\n```sh\nthree\n```\n"
    assert shell_blocks(page) == [Block(4, "one\ntwo"), Block(13, "three")]


def test_fences_inside_a_line_and_other_languages_are_text() -> None:
    assert shell_blocks("say ```sh``` here\n```yaml\na: 1\n```\n") == []


def test_a_comment_excuses_the_next_block_alone() -> None:
    page = "<!-- not in the lab: no moon -->\n```sh\nfly\n```\n```sh\nwalk\n```\n"
    assert [block.excuse for block in shell_blocks(page)] == ["no moon", ""]


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("```sh\nls\n", "no end"),
        ("<!-- not in the lab: x -->\n\n```sh\nls\n```\n", "not before a block of sh"),
        ("<!-- not in the lab: x -->\n```yaml\na: 1\n```\n", "not before a block of sh"),
    ],
)
def test_mistakes_in_a_page_are_told(page: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        shell_blocks(page)


def run(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False)


def test_blocks_share_one_session_and_excused_ones_are_left_out() -> None:
    blocks = [Block(3, "word=hello"), Block(7, "exit 9", "it ends the session"), Block(9, 'echo "$word"')]
    ended = run(script(blocks, "page.md"))
    assert (ended.returncode, ended.stdout) == (0, "### page.md:3\n### page.md:9\nhello\n")


@pytest.mark.parametrize("mistake", ["false", "false | cat", 'echo "$never_set"'])
def test_the_first_mistake_ends_the_session(mistake: str) -> None:
    ended = run(script([Block(1, mistake), Block(5, "echo further")], "page.md"))
    assert ended.returncode != 0
    assert "further" not in ended.stdout


@pytest.mark.parametrize("page", EXCUSED)
def test_few_commands_are_not_run_and_they_are_known(page: str) -> None:
    blocks = blocks_of(page)
    assert [block.excuse for block in blocks if block.excuse] == EXCUSED[page]
    assert len(blocks) > 3 * len(EXCUSED[page])


@pytest.mark.parametrize("page", EXCUSED)
def test_commands_are_shell(page: str) -> None:
    for block in blocks_of(page):
        checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), f"{page}:{block.line}"
