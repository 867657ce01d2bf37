"""The command that builds an image."""

from pathlib import Path

from build_image import build_command, parse_arguments, secrets


def _command(*words: str, environment: dict[str, str] | None = None) -> list[str]:
    return build_command(parse_arguments(["operator", "--tag", "lab/operator:1", *words]), environment or {})


def test_configuration_of_pip_reaches_the_build_as_a_secret_alone(tmp_path: Path) -> None:
    configuration, certificates = tmp_path / "pip.conf", tmp_path / "ca.crt"
    configuration.write_text("[global]\nindex-url = https://user:word@mirror.lab/simple\n")
    certificates.write_text("a certificate")
    environment = {"PIP_CONFIG_FILE": str(configuration), "PIP_CERT": str(certificates)}

    command = _command("--builder", "docker", environment=environment)

    assert [command[i + 1] for i, word in enumerate(command) if word == "--secret"] == [
        f"id=pip-config,src={configuration}",
        f"id=ca-certificates,src={certificates}",
    ]
    assert not [word for word in command if "mirror.lab" in word]


def test_files_that_are_not_there_are_no_secrets(tmp_path: Path) -> None:
    found = secrets({"PIP_CONFIG_FILE": str(tmp_path / "absent.conf"), "PIP_CERT": str(tmp_path / "absent.crt")})

    assert tmp_path not in {parent for file in found.values() for parent in file.parents}


def test_the_base_image_of_the_dockerfile_holds_unless_another_is_named() -> None:
    assert not [word for word in _command("--builder", "docker") if word.startswith("BASE_IMAGE")]
    assert "BASE_IMAGE=lab/base:1" in _command("--builder", "docker", "--base-image", "lab/base:1")


def test_buildah_keeps_its_layers_for_the_next_build() -> None:
    assert "--layers" in _command("--builder", "buildah")
