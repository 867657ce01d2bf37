import os
import signal

from posefleet_trainer.gang.preemption import stop_request


def test_sigterm_sets_the_flag_and_interrupts_nothing():
    with stop_request() as request:
        assert not request.made
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.made


def test_afterwards_sigterm_means_what_it_meant_before():
    before = signal.getsignal(signal.SIGTERM)
    with stop_request():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
