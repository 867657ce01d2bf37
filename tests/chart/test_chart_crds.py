"""The CRDs of the chart are those of ``crds/``, and outlive the release."""

import yaml

from chart.rendering import CHART, Manifest, of_kind, render

REPOSITORY = CHART.parents[1]


def _generated() -> dict[str, Manifest]:
    found = (yaml.safe_load(path.read_text()) for path in (REPOSITORY / "crds").glob("*.yaml"))
    return {definition["metadata"]["name"]: definition for definition in found}


def test_the_chart_brings_every_crd_as_it_was_generated() -> None:
    made = {crd["metadata"]["name"]: crd for crd in of_kind(render(), "CustomResourceDefinition")}
    generated = _generated()
    assert made.keys() == generated.keys()
    for name, crd in made.items():
        assert {**crd, "metadata": None} == {**generated[name], "metadata": None}
        for field in ("labels", "annotations"):
            assert generated[name]["metadata"].get(field, {}).items() <= crd["metadata"][field].items()


def test_crds_stay_when_the_release_goes() -> None:
    for crd in of_kind(render(), "CustomResourceDefinition"):
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_namespaces_and_the_trial_stores_data_stay_too() -> None:
    objects = render(namespaces=[{"name": "mice"}], trialStore={"enabled": True, "image": "minio:1"})
    for kept in of_kind(objects, "Namespace", "PersistentVolumeClaim"):
        assert kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert len(of_kind(objects, "Namespace", "PersistentVolumeClaim")) == 2


def test_what_fences_and_limits_a_namespace_outlives_its_entry() -> None:
    mice = {"name": "mice", "quota": {"pods": 64}, "limits": [{"type": "Container", "max": {"memory": "256Gi"}}]}
    for create in (True, False):
        objects = render(namespaces=[{**mice, "create": create}])
        fences = [one for one in objects if one["metadata"].get("namespace") == "mice"]
        assert {one["kind"] for one in fences} == {"ResourceQuota", "LimitRange", "NetworkPolicy"}
        for kept in fences:
            assert kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_namespace_that_exists_is_not_made_again() -> None:
    assert of_kind(render(namespaces=[{"name": "mice", "create": False}]), "Namespace") == []
    assert len(of_kind(render(namespaces=[{"name": "mice", "create": True}]), "Namespace")) == 1


def test_policies_of_namespaces_that_are_only_served_go_with_the_release() -> None:
    (policy,) = (
        one
        for one in of_kind(render(watchNamespaces=["mice"]), "NetworkPolicy")
        if one["metadata"]["namespace"] == "mice"
    )
    assert "annotations" not in policy["metadata"]


def test_a_namespace_that_is_made_enforces_the_restricted_standard_beside_labels_of_its_own() -> None:
    namespace = of_kind(render(namespaces=[{"name": "mice", "labels": {"group": "rodents"}}]), "Namespace")[0]
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["group"] == "rodents"


def test_a_namespace_gets_the_quota_and_the_limits_that_it_is_given_and_no_others() -> None:
    limits = [{"type": "Container", "max": {"memory": "256Gi"}}]
    mice = {"name": "mice", "quota": {"requests.nvidia.com/gpu": 8}, "limits": limits}
    objects = render(namespaces=[mice, {"name": "flies"}])
    (quota,), (range_,) = of_kind(objects, "ResourceQuota"), of_kind(objects, "LimitRange")
    assert (quota["metadata"]["namespace"], quota["spec"]) == ("mice", {"hard": mice["quota"]})
    assert (range_["metadata"]["namespace"], range_["spec"]) == ("mice", {"limits": limits})


def test_crds_can_be_left_to_somebody_else() -> None:
    assert of_kind(render(crds={"install": False}), "CustomResourceDefinition") == []
