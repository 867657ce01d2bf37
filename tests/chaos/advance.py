"""How a training gets on while a fault strikes it: its steps, and the pauses between them."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from posefleet_api.constants import TRAINER_PORT
from support.waiting import wait_for

#: Training must be past the step that it had reached after this time.
PATIENCE_SECONDS = 400.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Position:
    """Where a training is."""

    attempt: int
    stage: str
    step: int
    steps: int
    #: The step from which the attempt started.
    start: int = 0


def ask_position(address: str) -> Position | None:
    """Ask the trainer at an address; None if it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{address}:{TRAINER_PORT}/progress", timeout=2) as answer:
            said = json.load(answer)
    except (OSError, ValueError):
        return None
    progress = said["progress"]
    steps = progress.get("step", 0), progress.get("steps", 0)
    return Position(said["attempt"], progress["stage"], *steps, said.get("startStep", 0))


class Advance:
    """Watches a training. Use it as a context manager, from before the fault strikes.

    Args:
        look: returns where the training is, or None.
        reached: where it was when the watch began.
    """

    def __init__(self, look: Callable[[], Position | None], reached: Position) -> None:
        self.reached = reached
        #: The furthest step that each attempt was seen to finish.
        self.furthest_of: dict[int, int] = {reached.attempt: reached.step}
        #: The step from which each attempt started, once it trained.
        self.start_of: dict[int, int] = {}
        #: The longest time in which it got no further, in seconds.
        self.longest_pause = 0.0
        self._look = look
        self._furthest = reached.step
        #: Which attempt got further last, and when.
        self._attempt = reached.attempt
        self._advanced = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Advance":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def wait_until_past(self, by_another_attempt: bool, explain: Callable[[], str]) -> None:
        """Wait until a step is done that was not done before now, by another attempt if one has to follow."""
        begun = time.monotonic()

        def past() -> bool:
            followed = self._attempt > self.reached.attempt or not by_another_attempt
            return followed and self._advanced > begun

        wait_for("training to go on", past, PATIENCE_SECONDS, _POLL_SECONDS, explain)

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            if (now := self._look()) is not None:
                self._note(now)

    def _note(self, now: Position) -> None:
        moment = time.monotonic()
        self.furthest_of[now.attempt] = max(self.furthest_of.get(now.attempt, 0), now.step)
        if now.stage != "prepare":
            self.start_of[now.attempt] = now.start
        self.longest_pause = max(self.longest_pause, moment - self._advanced)
        if now.step > self._furthest or now.stage in {"predict", "report"}:
            self._furthest = max(self._furthest, now.step)
            self._attempt, self._advanced = now.attempt, moment
