"""Whole measurements of a small project."""

import time

import pytest
from mutants.baseline import UnitTestsFailed
from mutants.measurement import Group, Measurement, OutOfTime
from mutants.runs import Run, outcomes

CODE = """
def larger(a, b):
    if a > b:
        return a
    return b


def unused(a):
    return -a

"""
TESTS = """
import sys

sys.path.insert(0, {folder!r})
import mutated_code


def test_the_larger_is_returned():
    assert mutated_code.larger(2, 1) == 2
    assert mutated_code.larger(1, 2) == 2
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    source = tmp_path / "source"
    source.mkdir()
    (source / "mutated_code.py").write_text(CODE)
    (source / "test_code.py").write_text(TESTS.format(folder=str(source)))
    return tmp_path


def measure(project, seconds: float = 300, again: bool = False):
    group = Group("small", ["source/mutated_code.py"], ["source/test_code.py"])
    mutants, outcomes = Measurement(project, 2, time.monotonic() + seconds, again).run(group)
    return {(mutant.before, mutant.after): outcomes[mutant.key] for mutant in mutants}


def test_mutants_are_killed_survive_or_are_never_executed(project):
    found = measure(project)
    assert found["if a > b:", "if (a > b) and False:"] == "killed"
    assert found["if a > b:", "if a >= b:"] == "survived"
    assert found["return a", "return None"] == "killed"
    assert found["return -a", "return None"] == "untested"


def test_tests_that_fail_without_a_mutant_measure_nothing(project):
    (project / "source" / "test_code.py").write_text("def test_wrong():\n    assert False\n")
    with pytest.raises(UnitTestsFailed, match="test_wrong"):
        measure(project)


def test_a_measurement_that_ran_out_of_time_goes_on(project):
    with pytest.raises(OutOfTime):
        measure(project, seconds=0)
    assert "killed" in measure(project).values()


def test_survivors_alone_are_run_again(project):
    measure(project)
    with (project / "source" / "test_code.py").open("a") as tests:
        tests.write("\n\ndef test_unused():\n    assert mutated_code.unused(3) == -3\n")
    assert "untested" not in measure(project, again=True).values()


def test_tests_that_never_end_are_stopped(project):
    (project / "source" / "test_code.py").write_text("import mutated_code\n\ndef test_nothing(): ...\n")
    endless = Run("endless", ["source"], project / "source" / "mutated_code.py", "while True: pass", limit_seconds=0.5)
    assert list(outcomes(project, iter([endless]), 1)) == [("endless", "timeout")]


def test_tests_that_are_not_found_are_an_error(project):
    (project / "source" / "test_code.py").write_text("")
    run = Run("nothing", ["source"], project / "source" / "mutated_code.py", "", limit_seconds=60)
    with pytest.raises(RuntimeError, match="could not be run"):
        list(outcomes(project, iter([run]), 1))


def test_tests_that_are_left_out_do_not_kill(project):
    (project / "source" / "test_slow.py").write_text(
        "import test_code\n" + "def test_slow():\n    assert test_code.mutated_code.unused(3) == -3\n"
    )
    group = Group("small", ["source/mutated_code.py"], ["source"], ["source/test_slow.py"])
    mutants, found = Measurement(project, 2, time.monotonic() + 300, again=False).run(group)
    assert {found[mutant.key] for mutant in mutants if mutant.scope == "unused"} == {"untested"}


def test_a_mutant_that_only_the_last_of_many_tests_notices_is_killed(project):
    others = "\n".join(f"def test_{number}(): ..." for number in range(30))
    (project / "source" / "test_code.py").write_text(TESTS.format(folder=str(project / "source")) + others)
    names = [*(f"test_{number}" for number in range(30)), "test_the_larger_is_returned"]
    tests = [f"source/test_code.py::{name}" for name in names]
    file = project / "source" / "mutated_code.py"
    runs = [Run(name, tests, file, source, 60) for name, source in (("no", CODE), ("late", CODE.replace(">", "<")))]
    assert list(outcomes(project, iter(runs), 1)) == [("no", "survived"), ("late", "killed")]
