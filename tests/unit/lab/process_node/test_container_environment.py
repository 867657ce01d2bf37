"""Environment variables and users of containers."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_lab.process_node.node_config import Image
from posefleet_lab.process_node.sandbox.environment import (
    ConfigError,
    EnvironmentBuilder,
    expand,
    field_value,
    resource_value,
    user_and_group,
)

POD = {
    "metadata": {"name": "pod", "namespace": "lab", "uid": "u", "labels": {"app": "x", "b": 'q"'}, "annotations": {}},
    "spec": {"nodeName": "lab-node", "serviceAccountName": "default"},
    "status": {"podIP": "127.16.0.2", "podIPs": [{"ip": "127.16.0.2"}], "hostIP": "127.0.0.1"},
}


class Objects:
    """ConfigMaps and Secrets in memory."""

    def __init__(self, config_maps=None, secrets=None):
        self.config_maps, self.secrets = config_maps or {}, secrets or {}

    async def config_map(self, namespace, name):
        return self.config_maps.get(name)

    async def secret(self, namespace, name):
        return self.secrets.get(name)


def builder(**objects):
    return EnvironmentBuilder(POD, Objects(**objects), {"cpu": "8", "memory": "1024"}, {"PATH": "/bin"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("x$(A)y$(B)", "x1y2"),
        ("$A $ $$", "$A $ $"),
        ("$(A", "$(A"),
        ("$($(A))", "$(1)"),
    ],
)
def test_expansion_follows_kubernetes(text, expected):
    assert expand(text, {"A": "1", "B": "2"}) == expected


@given(st.text(st.characters(exclude_characters="$")))
def test_text_without_a_dollar_stays(text):
    assert expand(text, {"A": "1"}) == text


async def test_later_variables_see_earlier_ones():
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)$(PATH)"}, {"name": "C", "value": "3"}]
    assert await builder().build({"env": env}) == {"PATH": "/bin", "A": "1", "B": "1$(C)/bin", "C": "3"}


async def test_env_overrides_env_from():
    container = {
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}],
        "env": [{"name": "P_a", "value": "mine"}],
    }
    built = await builder(config_maps={"c": {"a": b"theirs", "b": b"kept"}}).build(container)
    assert (built["P_a"], built["P_b"]) == ("mine", "kept")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"secretKeyRef": {"name": "s", "key": "k"}}, 'secret "s" not found'),
        ({"configMapKeyRef": {"name": "c", "key": "k"}}, "couldn't find key k in ConfigMap lab/c"),
    ],
)
async def test_what_is_missing_is_named_in_a_kubelets_words(entry, message):
    with pytest.raises(ConfigError) as failed:
        await builder(config_maps={"c": {}}).build({"env": [{"name": "X", "valueFrom": entry}]})
    assert str(failed.value) == message


async def test_an_optional_reference_to_nothing_sets_nothing():
    entry = {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}
    assert "X" not in await builder().build({"env": [{"name": "X", "valueFrom": entry}]})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "pod"),
        ("status.podIP", "127.16.0.2"),
        ("status.podIPs", "127.16.0.2"),
        ("metadata.labels['app']", "x"),
        ("metadata.labels['none']", ""),
        ("metadata.labels", 'app="x"\nb="q\\""'),
        ("spec.nodeName", "lab-node"),
    ],
)
def test_fields_of_the_downward_api(path, expected):
    assert field_value(POD, path) == expected


def test_an_unknown_field_is_refused():
    with pytest.raises(ValueError, match="unsupported fieldPath"):
        field_value(POD, "spec.secret")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "requests.memory"}, "0"),
    ],
)
def test_resources_are_rounded_up_to_their_divisor(reference, expected):
    container = {"resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}}
    assert resource_value(container, reference, {}) == expected


def test_an_absent_limit_is_what_the_node_has():
    assert resource_value({}, {"resource": "limits.cpu"}, {"cpu": "8"}) == "8"


@pytest.mark.parametrize(
    ("pod", "container", "expected"),
    [
        ({}, {}, (65532, 65532)),
        ({"runAsUser": 5}, {}, (5, 5)),
        ({"runAsUser": 5, "runAsGroup": 6}, {"runAsUser": 7}, (7, 6)),
        ({"runAsNonRoot": True}, {}, (65532, 65532)),
        ({}, {"runAsUser": 0}, (0, 0)),
    ],
)
def test_users_of_containers(pod, container, expected):
    manifest = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"securityContext": pod}}
    assert user_and_group(manifest, {"name": "c", "securityContext": container}, Image(Path("/v"))) == expected


def test_a_root_image_is_refused_where_non_root_is_asked_for():
    manifest = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"securityContext": {"runAsNonRoot": True}}}
    with pytest.raises(ConfigError, match="image will run as root"):
        user_and_group(manifest, {"name": "c"}, Image(Path("/v"), user=0))
