"""The registry of reasons: complete, used, and the only place where a reason is written down."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import posefleet_operator
from posefleet_api.outcomes import TerminationReason
from posefleet_api.status import AttemptOutcome, ConditionType, Phase, Status
from posefleet_operator import reasons
from posefleet_operator.foreign_reasons import camel_case, reason_named
from posefleet_operator.policies.events import events_between
from posefleet_operator.reasons import REGISTRY, Reason, reasons_by_outcome
from posefleet_operator.reconcile import reconcile
from posefleet_operator.troubleshooting import troubleshooting_page
from unit.operator.builders import a_job, a_pod, finished_job

PACKAGE = Path(posefleet_operator.__file__).parent
#: What Kubernetes gives as the reason of a DisruptionTarget condition (docs: "Pod disruption conditions").
GIVEN_BY_KUBERNETES = {
    "PreemptionByScheduler",
    "EvictionByEvictionAPI",
    "DeletionByTaintManager",
    "DeletionByPodGC",
    "TerminationByKubelet",
}
#: Names that are something else as well: an outcome, a phase, a condition's type, or a pod's phase.
AMBIGUOUS = {*get_args(AttemptOutcome), *get_args(ConditionType), *get_args(Phase)}
CONSTANTS = {name: value for name, value in vars(reasons).items() if isinstance(value, Reason)}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "reasons.py":
            yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text())


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string constant, without docstrings, and with the fixed parts of f-strings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def speaks_of_a_reason(node: ast.AST) -> bool:
    return any(
        (isinstance(part, ast.Attribute) and part.attr in {"reason", "waiting_reason"})
        or (isinstance(part, ast.Name) and part.id == "reason")
        for part in ast.walk(node)
    )


def test_no_reason_is_written_outside_of_the_registry() -> None:
    names = REGISTRY.keys() - AMBIGUOUS
    found = [(module, text) for module, tree in modules() for text in texts(tree) if text in names]

    assert found == []


def test_no_reason_is_compared_with_or_given_as_a_text() -> None:
    """This catches the names that are outcomes, phases or types of conditions as well."""
    found = []
    for module, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and speaks_of_a_reason(node):
                found += [(module, text) for text in texts(node) if text in REGISTRY]
            if isinstance(node, ast.keyword) and node.arg == "reason":
                found += [(module, text) for text in texts(node.value) if text in REGISTRY]

    assert found == []


def test_a_reason_in_the_open_would_be_noticed() -> None:
    tree = ast.parse('def f(pod):\n    """PodDeleted"""\n    return pod.reason == "Succeeded" or "PodDeleted"')
    (comparison,) = (node for node in ast.walk(tree) if isinstance(node, ast.Compare))

    assert list(texts(tree)) == ["PodDeleted", "Succeeded"]
    assert speaks_of_a_reason(comparison)


def test_every_reason_is_used() -> None:
    used = {
        node.attr
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "reasons"
    }
    given = GIVEN_BY_KUBERNETES | set(get_args(TerminationReason))
    unused = [name for name, reason in CONSTANTS.items() if name not in used and reason.name not in given]

    assert unused == []


def test_every_reason_exists_once() -> None:
    assert len(REGISTRY) == len(CONSTANTS)
    assert all(re.fullmatch("[A-Z][A-Za-z]{1,127}", name) for name in REGISTRY)


def test_every_reason_that_a_trainer_or_kubernetes_gives_is_registered() -> None:
    assert (GIVEN_BY_KUBERNETES | set(get_args(TerminationReason))) - REGISTRY.keys() == set()


def test_every_reason_says_what_it_means_and_those_that_need_action_what_to_do() -> None:
    assert [r.name for r in REGISTRY.values() if not re.fullmatch(r"[A-Z`].*\.", r.meaning)] == []
    needed = [r for r in REGISTRY.values() if r.needs_action or r.counts_against_budget or r.final]
    assert [r.name for r in needed if not re.fullmatch(r"[a-z`].*[^.]", r.remedy)] == []


def test_failed_and_stalled_attempts_count_and_no_others_do() -> None:
    counted = {r.outcome for r in REGISTRY.values() if r.counts_against_budget}
    assert counted == {"Failed", "Stalled"}


def test_only_what_training_would_repeat_is_final() -> None:
    assert [r.name for r in REGISTRY.values() if r.final] == ["InvalidInput", "NonFiniteLoss"]


def test_every_outcome_has_reasons_and_every_reason_one_outcome() -> None:
    by_outcome = reasons_by_outcome()
    assert set(by_outcome) == set(get_args(AttemptOutcome)) - {""}
    listed = [name for names in by_outcome.values() for name in names]
    assert len(listed) == len(set(listed)) == sum(bool(r.outcome) for r in REGISTRY.values())


@pytest.mark.parametrize("outcome", sorted(set(get_args(AttemptOutcome)) - {""}))
def test_the_end_of_an_attempt_is_reported_by_its_outcome(outcome: AttemptOutcome) -> None:
    new = a_job().after_attempts(outcome).status
    running = new.attempts[0].model_copy(update={"outcome": ""})
    (event,) = events_between(new.model_copy(update={"attempts": [running]}), new)

    assert event.reason.name == f"Attempt{outcome}"
    assert event.reason.severity == ("Normal" if outcome in {"Succeeded", "Preempted"} else "Warning")


def test_a_word_of_the_cluster_is_taken_as_it_is() -> None:
    reason = reason_named("NodeShutdown")
    assert (reason.name, reason.outcome, reason.severity, reason.final) == ("NodeShutdown", None, "Warning", False)
    assert reason_named("PodDeleted") is reasons.POD_DELETED


def test_the_page_explains_every_reason_once() -> None:
    page = troubleshooting_page()
    assert [name for name in REGISTRY if len(re.findall(rf"^\| \**`{name}`", page, re.MULTILINE)) != 1] == []
    assert (PACKAGE.parents[1] / "docs" / "troubleshooting.md").read_text() == page, "run `make generate`"


def test_a_status_without_changes_has_no_events() -> None:
    assert events_between(Status(), Status()) == []


VALID_REASON = re.compile("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")


@given(st.text(max_size=300))
def test_any_word_becomes_a_valid_reason(word: str) -> None:
    name = camel_case(word)

    assert VALID_REASON.fullmatch(name)
    assert len(name) <= 128
    assert camel_case(name) == name


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("OutOfnvidia.com/gpu", "OutOfGpu"),
        ("OutOfcpu", "OutOfcpu"),
        ("node shut down", "NodeShutDown"),
        ("Unexpected-Admission.Error", "UnexpectedAdmissionError"),
        ("", "Unknown"),
        ("ошибка", "Unknown"),
        ("42", "Unknown"),
        ("x" * 200, "X" + "x" * 127),
        # Anybody may make up a word, but not one with a meaning of ours.
        ("invalid input", "UnknownInvalidInput"),
        ("OutOfexample.com/memory", "UnknownOutOfMemory"),
    ],
)
def test_a_word_of_the_cluster_is_mapped_to_camel_case(word: str, reason: str) -> None:
    assert reason_named(word).name == reason


@pytest.mark.parametrize("word", ["x" * 200, "OutOfnvidia.com/gpu", "no such word 🐭"])
def test_a_pod_with_any_reason_ends_its_attempt(word: str) -> None:
    job = a_job().running_attempt(1)
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).lost(word).manifest)
    (attempt,) = reconcile(job.seen()).status.attempts

    assert attempt.outcome == "Preempted"
    assert VALID_REASON.fullmatch(attempt.reason)
