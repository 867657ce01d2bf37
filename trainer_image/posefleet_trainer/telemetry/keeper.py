"""What must outlive a pod, put into the store while it runs and when it ends."""

import sys
import threading
from collections.abc import Callable, Mapping

EVERY_SECONDS = 30.0
#: The end of an attempt waits no longer than this for a store that is away.
LAST_SECONDS = 6.0


class Keeper:
    """Puts documents into the store every ``every_seconds`` as far as they changed, and once more at the end.

    Args:
        documents: by their name, each as it is now; None while there is nothing to say.
        put: writes one; whatever it raises is told once and does no harm.
    """

    def __init__(
        self,
        documents: Mapping[str, Callable[[], bytes | None]],
        put: Callable[[str, bytes], None],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._documents = documents
        self._put = put
        self._every = every_seconds
        self._kept: dict[str, bytes] = {}
        self._complained = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def close(self, within_seconds: float = LAST_SECONDS) -> None:
        """Put what is left, if the store takes it in time."""
        self._ending.set()
        self._thread.join(within_seconds)

    def _run(self) -> None:
        while not self._ending.wait(self._every):
            self._keep()
        self._keep()

    def _keep(self) -> None:
        try:
            for name, document in self._documents.items():
                content = document()
                if content is not None and content != self._kept.get(name):
                    self._put(name, content)
                    self._kept[name] = content
        except Exception as error:
            if not self._complained:
                sys.stderr.write(f"logs and summary are not in the store: {error}\n")
                self._complained = True
