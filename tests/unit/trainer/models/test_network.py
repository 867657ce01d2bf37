import pytest
import torch

from posefleet_api.model import BACKBONES
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.encoders import ENCODERS
from posefleet_trainer.models.network import PoseNetwork, normalised

LIGHT = ("resnet10t", "mobilenetv3_small", "efficientnet_b0", "convnext_tiny", "vit_small")


def test_every_backbone_of_the_api_has_an_encoder():
    assert set(BACKBONES) == set(ENCODERS)


@pytest.mark.parametrize("backbone", LIGHT)
def test_heatmaps_have_a_quarter_of_the_images_size_and_train_every_weight(backbone: str):
    network = PoseNetwork(backbone, Grid(64, 96), keypoints=5)

    logits = network(torch.randn(2, 3, 64, 96))
    logits.square().sum().backward()

    assert logits.shape == (2, 5, 16, 24)
    # DDP waits for the gradient of every weight.
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_the_backbone_takes_the_weights_of_a_whole_classifier():
    import timm

    whole = timm.create_model("resnet10t", pretrained=False)
    network = PoseNetwork("resnet10t", Grid(64, 64), 3, whole.state_dict())

    loaded = network.state_dict()["backbone.features.layer1.0.conv1.weight"]
    assert torch.equal(loaded, whole.state_dict()["layer1.0.conv1.weight"])


def test_images_are_normalised_per_channel_and_channels_come_first():
    frames = torch.full((1, 4, 6, 3), 255, dtype=torch.uint8)
    images = normalised(frames)
    assert images.shape == (1, 3, 4, 6)
    assert torch.allclose(images[0, :, 0, 0], torch.tensor([2.2489, 2.4286, 2.6400]), atol=1e-3)
