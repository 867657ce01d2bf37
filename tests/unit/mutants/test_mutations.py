import textwrap

import pytest
from mutants.mutations import Mutant, mutants_of


def mutants(tmp_path, text: str) -> list[Mutant]:
    (tmp_path / "code.py").write_text(textwrap.dedent(text))
    return mutants_of(tmp_path, "code.py")


def changes(tmp_path, text: str) -> set[tuple[str, str]]:
    return {(mutant.before, mutant.after) for mutant in mutants(tmp_path, text)}


@pytest.mark.parametrize(
    ("statement", "mutated"),
    [
        ("clock.restart()", "pass"),
        ("await clock.restart()", "pass"),
        ("raise KeyError", "pass"),
        ("count += 1", "pass"),
        ("count += 1", "count = 1"),
        ("return", "pass"),
        ("return clock", "return None"),
        ("clock = count", "clock = None"),
        ("clock.set(every=3)", "clock.set()"),
        ("clock.set(1, every=3)", "clock.set(1, )"),
        ("clock.set(count)", "clock.set(None)"),
        ("clock.set(width, height)", "clock.set(height, width)"),
        ("clock.set(-count)", "clock.set(+count)"),
        ("return count < 3", "return count <= 3"),
        ("return count < 3", "return count < 4"),
        ("return clock and count", "return (clock)"),
        ("return clock and count", "return (count)"),
        ("return clock and count", "return clock or count"),
        ("return not clock", "return clock"),
        ("return [x for x in clock if x]", "return [x for x in clock if (x) and False]"),
        ("return clock['key']", "return clock['XXkeyXX']"),
        ("return f'{clock}/key'", "return f'XX{clock}/key'"),
    ],
)
def test_a_statement_has_the_mutant(tmp_path, statement, mutated):
    assert (statement, mutated) in changes(tmp_path, f"async def run(clock, count):\n    {statement}\n")


def test_a_condition_is_forced_both_ways(tmp_path):
    found = changes(tmp_path, "def run(due):\n    if due:\n        due.stop()\n    else:\n        due.go()\n")
    assert {("if due:", "if (due) and False:"), ("if due:", "if (due) or True:")} <= found


def test_a_loop_is_not_made_endless(tmp_path):
    found = changes(tmp_path, "def run(due):\n    while due:\n        due = due.next\n")
    assert {after for before, after in found if before == "while due:"} == {"while (due) and False:"}


def test_constants_defaults_and_decorated_functions_are_mutated(tmp_path):
    text = """
        SIGMA = 1.25

        class Loss:
            strength = 0.5

            @property
            def doubled(self, factor=2):
                return self.strength * factor
    """
    found = changes(tmp_path, text)
    assert {
        ("SIGMA = 1.25", "SIGMA = 2.25"),
        ("strength = 0.5", "strength = 1.5"),
        ("def doubled(self, factor=2):", "def doubled(self, factor=3):"),
        ("return self.strength * factor", "return self.strength / factor"),
    } <= found


@pytest.mark.parametrize(
    "statement",
    [
        '"""The documentation."""',
        "logger.info('step %d', step + 1)",
        "_log.warning('no lease')",
        "assert step is not None and step > 0",
        "count: int | None",
    ],
)
def test_text_for_people_types_and_assertions_are_left_alone(tmp_path, statement):
    assert changes(tmp_path, f"def run(step):\n    {statement}\n") == set()


def test_the_text_of_an_error_is_left_alone_but_not_the_error(tmp_path):
    found = changes(tmp_path, "def run(step):\n    raise ValueError(f'no step {step}')\n")
    assert found == {("raise ValueError(f'no step {step}')", "pass")}


def test_a_mutant_knows_its_place(tmp_path):
    text = """
        LIMIT = 1

        class Clock:
            def due(self, late=2):
                return (
                    self.now
                    > late
                )
    """
    found = {mutant.after: mutant for mutant in mutants(tmp_path, text)}
    comparison = found["self.now >= late"]
    assert (comparison.scope, comparison.lines, comparison.at_import) == ("Clock.due", (6, 9), False)
    assert found["def due(self, late=3):"].at_import
    assert (found["LIMIT = 2"].scope, found["LIMIT = 2"].lines, found["LIMIT = 2"].at_import) == ("", (2, 2), True)


def test_mutants_differ_and_equal_changes_are_numbered(tmp_path):
    found = mutants(tmp_path, "def run(x):\n    x.go()\n    x.stop()\n    x.go()\n")
    assert len({mutant.source for mutant in found}) == len({mutant.key for mutant in found}) == len(found)
    removed = [mutant.number for mutant in found if (mutant.before, mutant.after) == ("x.go()", "pass")]
    assert removed == [1, 2]


def test_every_mutant_can_be_compiled(tmp_path):
    text = """
        def run(values, *, first=None):
            with first.open("a", "b") as opened:
                for value in sorted(values, key=lambda v: -v):
                    if not (value and first) or value > 3:
                        continue
                    yield from opened.read(value, 2)[1:-1]
            return {"a": value if first else None}
    """
    found = mutants(tmp_path, text)
    assert len(found) > 20
    for mutant in found:
        compile(mutant.source, "mutant", "exec")
