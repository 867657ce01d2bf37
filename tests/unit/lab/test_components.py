"""Long-running programs of the lab and the identities of their processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from posefleet_lab.component import Component
from posefleet_lab.errors import ComponentError
from posefleet_lab.ports import free_port
from posefleet_lab.processes import ProcessIdentity, stop_processes


def test_a_component_that_ends_shows_its_log(tmp_path):
    component = Component("broken", ["sh", "-c", "echo the reason; exit 3"], tmp_path)
    component.start()
    with pytest.raises(ComponentError, match=r"(?s)broken: ended with exit code 3 before ready.*the reason"):
        component.wait_until(lambda: False, "ready")


def test_a_component_that_has_ended_is_not_taken_for_one_that_runs(tmp_path):
    component = Component("broken", ["sh", "-c", "read line; echo the reason; exit 3"], tmp_path)
    component.start()
    with pytest.raises(ComponentError, match=r"(?s)broken: ended with exit code 3\..*the reason"):
        component.wait()
    with pytest.raises(ComponentError, match="the reason"):
        component.require_alive()


def test_a_component_is_alive_from_its_start_to_its_stop(tmp_path):
    component = Component("fine", ["sleep", "60"], tmp_path)
    assert not component.alive()

    component.start()
    component.require_alive()
    process = ProcessIdentity.read(component.pid_file)
    assert component.alive()
    assert process.alive()

    component.stop()
    assert not component.alive()
    assert not process.alive()
    with pytest.raises(ComponentError, match="fine: ended with exit code -15"):
        component.require_alive()


def test_a_stubborn_component_is_killed(tmp_path):
    component = Component("stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], tmp_path)
    component.start()
    component.wait_until(lambda: "up" in component.log.read_text(), "up")
    component.stop(grace_seconds=0.2)
    assert not component.alive()


def test_a_paused_component_does_nothing_until_it_is_resumed(tmp_path):
    component = Component("ticking", ["sh", "-c", "while :; do echo tick; sleep 0.01; done"], tmp_path)
    component.start()
    component.wait_until(lambda: "tick" in component.log.read_text(), "ticking")
    component.pause()
    state = Path(f"/proc/{ProcessIdentity.read(component.pid_file).pid}/stat")
    component.wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "stopped")
    ticks = component.log.stat().st_size
    component.resume()
    component.wait_until(lambda: component.log.stat().st_size > ticks, "ticking again")
    component.pause()
    component.stop(grace_seconds=5)
    assert not component.alive()


def test_a_component_that_serves_http_is_waited_for_until_it_answers(tmp_path):
    (tmp_path / "healthz").write_text("ok")
    port = free_port()
    component = Component("server", [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"], tmp_path)
    component.start()
    component.wait_for_answer(f"http://127.0.0.1:{port}/healthz")
    assert "GET /healthz" in component.log.read_text()
    component.stop()


def test_a_component_that_ends_before_it_answers_shows_its_log(tmp_path):
    component = Component("server", ["sh", "-c", "echo the reason; exit 3"], tmp_path)
    component.start()
    with pytest.raises(ComponentError, match=r"(?s)server: ended with exit code 3 before ready.*the reason"):
        component.wait_for_answer(f"http://127.0.0.1:{free_port()}/healthz")


def test_a_process_is_known_by_more_than_its_pid(tmp_path):
    process = subprocess.Popen(["sleep", "60"])
    mine = ProcessIdentity.of(process.pid)
    impostor = ProcessIdentity(process.pid, mine.start_ticks + 1)
    impostor.signal(signal.SIGKILL)
    assert mine.alive()
    stop_processes([mine])
    process.wait()
    assert not mine.alive()
