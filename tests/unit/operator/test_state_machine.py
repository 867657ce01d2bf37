"""Random lives of a job, with children that are seen late, twice or never, and with clocks that jump.

However a life goes, at most one gang is alive, the budget is exact, and the job ends. POSEFLEET_STEPS sets the number
of steps (`make chaos` runs 50,000).
"""

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from posefleet_api.outcomes import TerminationMessage
from posefleet_api.status import FINISHED_PHASES, Status
from posefleet_operator.cluster.objects import to_timestamp
from unit.operator.builders import a_job, a_report
from unit.operator.late_world import LateWorld

STEPS = int(os.environ.get("POSEFLEET_STEPS", "2000"))
STEPS_OF_A_LIFE = 100
MAX_FAILURES = 3
COUNTED = {"Failed", "Stalled"}
#: Those that end a job are rare, so that lives are long.
EXIT_CODES = (1, 69, 75, 76, 137) * 3 + (0, 78)
DONE = TerminationMessage(reason="Completed", message="done").encode().decode()


class Life(RuleBasedStateMachine):
    """One job, its cluster, and everything that can happen to both."""

    def __init__(self) -> None:
        super().__init__()
        job = a_job().with_gpus(1, nodes=2).with_policy(maxFailures=MAX_FAILURES, backoffSeconds=1, stallSeconds=900)
        self.world = LateWorld.of(job)
        self.step = 0
        #: How the attempts have ended, by number.
        self.outcomes: dict[int, str] = {}

    @rule()
    def the_operator_catches_up(self) -> None:
        self.world.tell(1000)
        for _ in range(4):
            self.world.reconcile_or_die(None)

    @rule(seconds=st.sampled_from([0, 60, 4000]), runs=st.booleans())
    def the_gang_comes_up(self, seconds: int, runs: bool) -> None:
        """What usually happens, without which most lives would end before the first attempt."""
        self.world.now += timedelta(seconds=seconds)
        self.world.finish_deletions()
        self.the_operator_catches_up()
        if not self.world.status.current_attempt:
            self.world.run_pods()
            self.world.end_all(0, DONE)
            self.the_operator_catches_up()
        if runs:
            self.world.run_pods()
            self.the_operator_catches_up()

    @rule(writes=st.none() | st.integers(0, 4))
    def reconcile(self, writes: int | None) -> None:
        self.world.reconcile_or_die(writes)

    @rule(count=st.integers(1, 5))
    def watches_tell(self, count: int) -> None:
        self.world.tell(count)

    @rule(place=st.integers(0, 1000))
    def a_watch_tells_again(self, place: int) -> None:
        self.world.tell_again(place)

    @rule()
    def a_watch_loses_an_event(self) -> None:
        self.world.never_tell()

    @rule()
    def relist(self) -> None:
        self.world.relist()

    @rule()
    def kubelets_start_pods(self) -> None:
        self.world.run_pods()

    @precondition(lambda self: self.world.running_pods())
    @rule(place=st.integers(0, 9), code=st.sampled_from(EXIT_CODES), noticed=st.booleans())
    def a_pod_ends(self, place: int, code: int, noticed: bool) -> None:
        names = self.world.running_pods()
        self.world.end_pod(names[place % len(names)], code)
        self._notice(noticed)

    @rule(code=st.sampled_from(EXIT_CODES), noticed=st.booleans())
    def all_pods_end(self, code: int, noticed: bool) -> None:
        self.world.end_all(code, "" if code else DONE)
        self._notice(noticed)

    @precondition(lambda self: self.world.running_pods())
    @rule(place=st.integers(0, 9), noticed=st.booleans())
    def a_pod_is_deleted(self, place: int, noticed: bool) -> None:
        names = self.world.running_pods()
        self.world.lose_pod(names[place % len(names)])
        self._notice(noticed)

    @rule()
    def ended_pods_are_collected(self) -> None:
        self.world.collect_ended_pods()

    @precondition(lambda self: self.world.status.current_attempt)
    @rule(noticed=st.booleans())
    def somebody_deletes_the_gang(self, noticed: bool) -> None:
        self.world.delete_job_of_attempt(self.world.status.current_attempt or 0)
        self._notice(noticed)

    @rule()
    def what_was_deleted_ends(self) -> None:
        self.world.finish_deletions()

    @rule(steps=st.integers(0, 3))
    def rank_0_reports(self, steps: int) -> None:
        self.step += steps
        number = self.world.status.current_attempt
        report = a_report(number or 0, self.step).model_copy(update={"last_step_time": to_timestamp(self.world.now)})
        self.world.report = report if number else None

    @rule(seconds=st.sampled_from([1, 10, 60, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)

    @rule(seconds=st.integers(-600, 600))
    def the_operators_clock_jumps(self, seconds: int) -> None:
        self.world.skew = timedelta(seconds=seconds)

    @rule(suspend=st.booleans(), noticed=st.booleans())
    def the_author_suspends_or_resumes(self, suspend: bool, noticed: bool) -> None:
        self.world.edit(suspend=suspend)
        self._notice(noticed)

    @rule(gibibytes=st.integers(1, 64), noticed=st.booleans())
    def the_author_edits_the_pods(self, gibibytes: int, noticed: bool) -> None:
        self.world.edit(resources={"nodes": 2, "memoryPerNode": f"{gibibytes}Gi"})
        self._notice(noticed)

    def _notice(self, noticed: bool) -> None:
        """Let the operator see at once what happened, as it usually does."""
        if noticed:
            self.the_operator_catches_up()

    @invariant()
    def at_most_one_gang_is_alive(self) -> None:
        assert self.world.most_gangs <= 1

    @invariant()
    def the_budget_is_exact(self) -> None:
        for status in self.world.written:
            for attempt in status.attempts:
                before = self.outcomes.get(attempt.number)
                assert before in {None, attempt.outcome}, f"attempt {attempt.number} was {before}"
                if attempt.outcome is not None:
                    self.outcomes[attempt.number] = attempt.outcome
            check_budget(status, self.outcomes)
        self.world.written.clear()

    def teardown(self) -> None:
        """From any state on, a cluster in which nothing more goes wrong brings the job to its end."""
        self.world.edit(suspend=False)
        self.world.skew = timedelta()
        self.world.report = None
        for _ in range(30):
            self.world.relist()
            self.world.settle(3700)
            self.world.finish_deletions()
            self.world.relist()
            self.world.settle()
            self.world.run_pods()
            self.world.relist()
            self.world.settle(1)
            self.world.end_all(0, DONE)
            self.world.relist()
            status = self.world.settle(1)
            if status.phase in FINISHED_PHASES:
                break
        assert status.phase in FINISHED_PHASES
        assert status.completion_time is not None
        self.at_most_one_gang_is_alive()
        self.the_budget_is_exact()


def check_budget(status: Status, outcomes: dict[int, str]) -> None:
    numbers = [attempt.number for attempt in status.attempts]
    assert numbers == sorted(set(numbers))
    known = {number: outcome for number, outcome in outcomes.items() if number <= (status.current_attempt or 0)}
    assert status.failed_attempts == sum(outcome in COUNTED for outcome in known.values())
    assert status.failed_attempts <= MAX_FAILURES


def test_random_lives_have_one_gang_an_exact_budget_and_an_end() -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_OF_A_LIFE),
            stateful_step_count=STEPS_OF_A_LIFE,
            deadline=None,
            derandomize="POSEFLEET_STEPS" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
