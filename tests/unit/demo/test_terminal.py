"""The demo follows its job to the end, and stops if the operator has ended."""

from typing import Any

import pytest

from posefleet_demo import terminal
from posefleet_demo.terminal import watch_job
from posefleet_lab.errors import ComponentError


class Kubectl:
    """A ``kubectl`` that shows the job in one phase after the other."""

    def __init__(self, *phases: str) -> None:
        self._phases = list(phases)

    def __call__(self, *arguments: str) -> str:
        return f"NAME PHASE AGE\ndemo {self._phases[0]} 1s"

    def job(self, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name}, "status": {"phase": self._phases.pop(0)}}


@pytest.fixture(autouse=True)
def without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_POLL_SECONDS", 0.0)


def test_a_job_is_followed_to_its_end():
    job = watch_job(Kubectl("Preparing", "Running", "Succeeded", ""), "demo", 60, lambda: None)
    assert job["status"]["phase"] == "Succeeded"


def test_the_demo_does_not_wait_for_a_job_whose_operator_has_ended():
    looks = iter([None, None])

    def require_operator() -> None:
        try:
            next(looks)
        except StopIteration:
            raise ComponentError("operator: ended with exit code 1") from None

    with pytest.raises(ComponentError, match="operator: ended"):
        watch_job(Kubectl(*["Preparing"] * 9), "demo", 60, require_operator)
