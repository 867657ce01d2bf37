import pytest
from mutants.measurement import read_groups
from mutants.mutations import Mutant
from mutants.results import Results
from mutants.score import Score, StaleEquivalents, check_equivalents, read_equivalents, score


def a_mutant(after: str, file: str = "code.py") -> Mutant:
    return Mutant(file, "run", "x = 1", after, 1, (3, 3), False, f"def run():\n    {after}\n")


FIRST, SECOND, THIRD = (a_mutant(f"x = {number}") for number in (2, 3, 4))


def entry(mutant: Mutant, why: str = "nobody reads x") -> str:
    values = {"file": mutant.file, "scope": mutant.scope, "before": mutant.before, "after": mutant.after, "why": why}
    return "[[equivalent]]\n" + "".join(f"{name} = '{value}'\n" for name, value in values.items())


def test_killed_and_timed_out_mutants_count_as_killed():
    outcomes = {FIRST.key: "killed", SECOND.key: "timeout", THIRD.key: "survived"}
    assert score([FIRST, SECOND, THIRD], outcomes, []) == Score(killed=2, survived=1, equivalent=0)


def test_untested_and_unmeasured_mutants_count_as_survived():
    assert score([FIRST, SECOND], {FIRST.key: "untested"}, []) == Score(killed=0, survived=2, equivalent=0)


def test_equivalent_mutants_do_not_count():
    found = score([FIRST, SECOND, THIRD], {FIRST.key: "killed", SECOND.key: "survived"}, [SECOND.key])
    assert found == Score(killed=1, survived=1, equivalent=1)
    assert found.percent == 50.0


def test_nothing_to_kill_is_all_killed():
    assert score([FIRST], {}, [FIRST.key]).percent == 100.0


def test_an_entry_names_the_mutant(tmp_path):
    (tmp_path / "equivalent.toml").write_text(entry(FIRST))
    assert read_equivalents(tmp_path / "equivalent.toml") == {FIRST.key: "nobody reads x"}


@pytest.mark.parametrize("text", [entry(FIRST, why=" "), entry(FIRST) * 2])
def test_an_entry_without_a_reason_or_listed_twice_is_refused(tmp_path, text):
    (tmp_path / "equivalent.toml").write_text(text)
    with pytest.raises(StaleEquivalents, match="twice or without a reason"):
        read_equivalents(tmp_path / "equivalent.toml")


def test_an_entry_for_a_mutant_that_is_gone_is_refused():
    with pytest.raises(StaleEquivalents, match="no such mutant"):
        check_equivalents([THIRD.key], [FIRST, SECOND], {}, ["code.py"])


def test_an_entry_for_a_mutant_that_is_killed_is_refused():
    with pytest.raises(StaleEquivalents, match="a test kills this mutant"):
        check_equivalents([FIRST.key], [FIRST], {FIRST.key: "killed"}, ["code.py"])


def test_entries_for_survivors_and_for_files_that_were_not_measured_are_accepted():
    other = a_mutant("x = 2", file="other.py")
    check_equivalents([FIRST.key, other.key], [FIRST], {FIRST.key: "survived"}, ["code.py"])


def test_an_entry_for_a_file_that_is_in_no_group_is_refused():
    other = a_mutant("x = 2", file="other.py")
    with pytest.raises(StaleEquivalents, match="no group"):
        check_equivalents([other.key], [FIRST], {}, ["code.py"], all_files=["code.py"])


def test_results_go_on_in_the_same_state_and_are_forgotten_in_another(tmp_path):
    first = Results.of_state(tmp_path / "results.json", "state 1")
    first.outcomes[FIRST.key] = "killed"
    first.save()
    assert Results.of_state(tmp_path / "results.json", "state 1").outcomes == {FIRST.key: "killed"}
    assert Results.of_state(tmp_path / "results.json", "state 2").outcomes == {}


def test_results_of_several_states_are_no_measurement(tmp_path):
    Results(tmp_path / "results.json", "state 1", {FIRST.key: "killed"}).save()
    mixed = Results.of_any_state(tmp_path / "results.json")
    assert mixed.outcomes == {FIRST.key: "killed"}
    mixed.save()
    assert Results.of_state(tmp_path / "results.json", "state 1").outcomes == {}


TABLE = """
[tool.mutants]
minimum-percent = 90
[tool.mutants.groups.losses]
sources = ["{source}"]
tests = ["{test}"]
"""


@pytest.mark.parametrize(("source", "test"), [("none/*.py", "code.py"), ("*.py", "tests/gone.py")])
def test_a_group_without_sources_or_tests_is_refused(tmp_path, source, test):
    (tmp_path / "code.py").touch()
    (tmp_path / "pyproject.toml").write_text(TABLE.format(source=source, test=test))
    with pytest.raises(FileNotFoundError, match=r"groups\.losses"):
        read_groups(tmp_path)


def test_a_group_lists_the_files_that_match(tmp_path):
    for name in ("b.py", "a.py"):
        (tmp_path / name).touch()
    (tmp_path / "pyproject.toml").write_text(TABLE.format(source="*.py", test="b.py"))
    groups, minimum_percent = read_groups(tmp_path)
    assert minimum_percent == 90
    assert groups["losses"].sources == ["a.py", "b.py"]
