"""The precision in which a machine trains, for simulated machines."""

import pytest
import torch

from posefleet_api.training import Training
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.training.lightning import precision_of


def a_machine(monkeypatch: pytest.MonkeyPatch, capability: int | None) -> None:
    """Simulate a machine with an NVIDIA GPU of this compute capability, or (None) without a GPU."""

    class Properties:
        major = capability

    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda _: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")


@pytest.mark.parametrize(("capability", "precision"), [(None, "32-true"), (7, "32-true"), (8, "bf16-mixed")])
def test_auto_is_bf16_only_where_it_is_not_emulated(
    capability: int | None, precision: str, monkeypatch: pytest.MonkeyPatch
):
    a_machine(monkeypatch, capability)
    assert precision_of(Training()) == precision


def test_bf16_is_refused_where_it_is_emulated(monkeypatch: pytest.MonkeyPatch):
    a_machine(monkeypatch, 7)
    with pytest.raises(InvalidInput, match=r"bf16, in which Tesla T4 does not compute; write auto or fp32"):
        precision_of(Training(precision="bf16"))
    assert precision_of(Training(precision="fp32")) == "32-true"


def test_bf16_is_taken_where_it_is_asked_for_and_computed(monkeypatch: pytest.MonkeyPatch):
    a_machine(monkeypatch, 9)
    assert precision_of(Training(precision="bf16")) == "bf16-mixed"
