"""Settings from arguments, the environment and defaults."""

import pytest

from posefleet_operator.settings import parse_settings


def test_arguments_win_over_the_environment_which_wins_over_defaults() -> None:
    environment = {"POSEFLEET_TRAINER_IMAGE": "from-environment", "POSEFLEET_HTTP_PORT": "9000"}
    settings = parse_settings(["run", "--http-port", "9001", "--namespaces", "lab,other"], environment)

    assert settings.trainer_image == "from-environment"
    assert settings.http_port == 9001
    assert settings.namespaces == ("lab", "other")
    assert settings.resync_seconds == 300


def test_a_wrong_setting_is_refused(capsys) -> None:
    with pytest.raises(SystemExit):
        parse_settings([], {"POSEFLEET_IMAGE_PULL_POLICY": "Sometimes", "POSEFLEET_HTTP_PORT": "x"})

    assert "http-port" in capsys.readouterr().err
