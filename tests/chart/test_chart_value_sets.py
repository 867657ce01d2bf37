"""What holds for the chart with every set of values in ``ci/``."""

import pytest

from chart.rendering import NAMESPACE, VALUE_SETS, Manifest, pod_specs, render, render_anew, render_set
from chart.restricted import violations

_CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}

every_value_set = pytest.mark.parametrize("name", VALUE_SETS)


def _identity(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def test_there_are_enough_value_sets() -> None:
    assert len(VALUE_SETS) >= 12


@every_value_set
def test_no_object_is_made_twice(name: str) -> None:
    identities = [_identity(manifest) for manifest in render_set(name)]
    assert len(set(identities)) == len(identities)


@every_value_set
def test_every_object_says_where_it_belongs(name: str) -> None:
    for manifest in render_set(name):
        assert ("namespace" in manifest["metadata"]) != (manifest["kind"] in _CLUSTER_SCOPED), _identity(manifest)


@every_value_set
def test_every_object_is_labelled_as_the_releases(name: str) -> None:
    for manifest in render_set(name):
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "posefleet", _identity(manifest)
        assert labels["app.kubernetes.io/managed-by"] == "Helm", _identity(manifest)
        assert all(isinstance(value, str) for value in labels.values()), _identity(manifest)


@every_value_set
def test_every_pod_passes_the_restricted_standard(name: str) -> None:
    specs = pod_specs(render_set(name))
    assert specs
    for owner, spec in specs.items():
        assert violations(spec) == [], owner


@every_value_set
def test_every_container_has_a_read_only_root_and_says_what_it_needs(name: str) -> None:
    for owner, spec in pod_specs(render_set(name)).items():
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, owner
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), owner
            assert "memory" in container["resources"]["limits"], owner


@every_value_set
def test_a_second_rendering_gives_the_same_but_for_the_trial_stores_credentials(name: str) -> None:
    first, second = ([one for one in made if one["kind"] != "Secret"] for made in (render_set(name), render_anew(name)))
    assert first == second


@every_value_set
def test_no_secret_but_the_trial_stores_is_made(name: str) -> None:
    secrets = [manifest["metadata"]["name"] for manifest in render_set(name) if manifest["kind"] == "Secret"]
    assert bool(secrets) == (name == "trial")


def test_the_operator_lives_in_the_releases_namespace_alone() -> None:
    namespaces = {manifest["metadata"].get("namespace") for manifest in render()}
    assert namespaces == {NAMESPACE, None}
