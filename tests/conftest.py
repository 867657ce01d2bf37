"""Settings of all tests, and which of them run in the same worker of pytest-xdist.

No single example of hypothesis has a limit on its time, because a busy machine would decide which tests pass.
"""

from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

_CLUSTER_TESTS = "tests/integration/"


class SharedClusters(LoadFileScheduling):
    """Gives the tests of one file to one worker, and those of one folder of the integration tests too.

    Such a folder shares a cluster. Another worker would start a second one, which needs processor time as long as it
    runs.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        if not file.startswith(_CLUSTER_TESTS):
            return file
        return _CLUSTER_TESTS + file.removeprefix(_CLUSTER_TESTS).split("/")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharedClusters | None:
    """Distribute the tests by ``SharedClusters`` where pytest is asked to distribute them by file."""
    return SharedClusters(config, log) if config.getoption("dist") == "loadfile" else None
