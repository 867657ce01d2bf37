from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save

from posefleet_api.outcomes import ExitCode
from posefleet_trainer.errors import InvalidInput, StoreUnreachable
from posefleet_trainer.models.encoders import ENCODERS
from posefleet_trainer.models.hub import check_hub, hub_weights
from unit.trainer.models.hub_stub import Hub, hub_server

BACKBONE = "mobilenetv3_small"
FILE = "/timm/mobilenetv3_small_100.lamb_in1k/resolve/main/model.safetensors"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    model = timm.create_model(ENCODERS[BACKBONE].timm_name, pretrained=False)
    return dict(model.state_dict())


@pytest.fixture
def hub(state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server(save(state), monkeypatch) as served:
        yield served


def test_a_hub_that_does_not_answer_at_first_is_asked_again_after_pauses_that_double(
    hub: Hub, state: dict[str, torch.Tensor], tmp_path: Path
):
    hub.status = 503
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        hub.status = 200 if len(pauses) == 2 else 502

    weights = hub_weights(BACKBONE, tmp_path, 60.0, pause)
    assert torch.equal(weights["conv_stem.weight"], state["conv_stem.weight"])
    assert pauses == [1.0, 2.0]


def test_a_hub_that_never_answers_is_unreachable_and_not_invalid_input(hub: Hub, tmp_path: Path):
    for ask in (hub_weights, check_hub):
        hub.status = 503
        with pytest.raises(
            StoreUnreachable, match=r"public hub .* has not answered .*model.weights to none, or to the s3"
        ):
            ask(BACKBONE, tmp_path, 0.0)
    assert StoreUnreachable.exit_code == ExitCode.STORE_UNREACHABLE


def test_a_hub_that_refuses_connections_is_unreachable(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    nobody = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", nobody + "/{repo_id}/resolve/{revision}/{filename}")
    for ask in (hub_weights, check_hub):
        with pytest.raises(StoreUnreachable):
            ask(BACKBONE, tmp_path, 0.0)
    assert hub.requests == []


def test_a_hub_without_the_file_is_invalid_input_at_once(hub: Hub, tmp_path: Path):
    hub.status = 404
    with pytest.raises(InvalidInput, match=r"mobilenetv3_small_100.lamb_in1k, which the hub does not give"):
        check_hub(BACKBONE, tmp_path, 60.0, pytest.fail)


def test_a_check_asks_for_the_file_that_is_downloaded_later_and_does_not_download_it(hub: Hub, tmp_path: Path):
    check_hub(BACKBONE, tmp_path, 0.0)
    assert hub.requests == [FILE]
    hub_weights(BACKBONE, tmp_path, 0.0)
    assert FILE in hub.requests[1:]

    hub.requests.clear()
    check_hub(BACKBONE, tmp_path, 0.0)
    assert hub.requests == []
