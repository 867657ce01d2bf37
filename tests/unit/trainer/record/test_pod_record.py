"""Documents that go to a store while they change."""

import threading
import time

import pytest

from posefleet_trainer.record.pod_record import PeriodicUpload


class Shelf:
    """A store that remembers what it was given, in order."""

    def __init__(self) -> None:
        self.given: list[tuple[str, bytes]] = []
        self.arrived = threading.Event()

    def put(self, name: str, content: bytes) -> None:
        self.given.append((name, content))
        self.arrived.set()


def test_a_document_is_put_while_it_changes_and_at_the_end():
    shelf, pages = Shelf(), [b"one"]
    upload = PeriodicUpload({"log": lambda: pages[-1]}, shelf.put, every_seconds=0.01)
    assert shelf.arrived.wait(10)
    pages.append(b"two")
    upload.close(10)
    assert shelf.given == [("log", b"one"), ("log", b"two")]


def test_what_has_nothing_to_say_is_not_put():
    shelf = Shelf()
    PeriodicUpload({"log": lambda: None}, shelf.put, every_seconds=60).close(10)
    assert shelf.given == []


def test_a_store_that_hangs_does_not_hold_up_the_end():
    hanging = threading.Event()
    upload = PeriodicUpload({"log": lambda: b"text"}, lambda name, content: hanging.wait(60) and None, every_seconds=60)
    began = time.monotonic()
    upload.close(0.2)
    assert time.monotonic() - began < 5
    hanging.set()


def test_a_store_that_fails_is_told_once_and_tried_again(capfd: pytest.CaptureFixture[str]):
    tries = []
    recovered = threading.Event()

    def put(name: str, content: bytes) -> None:
        tries.append(name)
        if len(tries) < 3:
            raise ConnectionError("away")
        recovered.set()

    upload = PeriodicUpload({"log": lambda: b"text"}, put, every_seconds=0.01)
    assert recovered.wait(10)
    upload.close(10)
    assert len(tries) == 3
    assert capfd.readouterr().err == "logs and summary are not in the store: away\n"
