"""Who may reach whom, by the labels that pods really carry."""

from typing import Any

import pytest

from chart.rendering import NAMESPACE, Manifest, of_kind, only, render
from posefleet_api.constants import TRAINER_PORT
from posefleet_api.job import parse_job
from posefleet_operator.builders.attempt_job import attempt_job
from posefleet_operator.builders.prepare_job import prepare_job
from posefleet_operator.settings import Settings

JOB = parse_job(
    {
        "apiVersion": "posefleet.io/v1alpha1",
        "kind": "PoseTrainingJob",
        "metadata": {"name": "reaching", "namespace": "mice", "uid": "uid-1"},
        "spec": {
            "dataset": {"uri": "s3://lab-data/mouse/"},
            "storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}},
            "output": {"uri": "s3://lab-results/reaching/"},
            "pod": {"labels": {"app.kubernetes.io/managed-by": "somebody-else"}},
        },
    }
)
TRAINERS = {
    "prepare": prepare_job(JOB, 1, "print", "shape", Settings()),
    "attempt": attempt_job(JOB, 1, "fingerprint", "shape", Settings()),
}
EVERYWHERE = {"kubernetes.io/metadata.name": "anything"}

each_trainer = pytest.mark.parametrize("component", TRAINERS)


def _labels_of_trainer(component: str) -> dict[str, str]:
    return TRAINERS[component]["spec"]["template"]["metadata"]["labels"]


def _labels_of_operator() -> dict[str, str]:
    return only(render(), "Deployment")["spec"]["template"]["metadata"]["labels"]


def _selects(selector: Manifest, labels: dict[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def _admits(peers: list[Manifest], labels: dict[str, str], namespace: str, own_namespace: str) -> bool:
    """Whether a pod is among the peers of a rule of a policy in ``own_namespace``."""
    return any(
        _selects(peer.get("podSelector", {}), labels)
        and (
            _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": namespace})
            if "namespaceSelector" in peer
            else namespace == own_namespace
        )
        for peer in peers
        if "ipBlock" not in peer
    )


def _ports(rule: Manifest) -> set[int]:
    return {port["port"] for port in rule.get("ports", ())}


def _trainer_policy(**values: Any) -> Manifest:
    return only(render(watchNamespaces=["mice"], **values), "NetworkPolicy", "-trainers")["spec"]


def _operator_policy(**values: Any) -> Manifest:
    return only(render(watchNamespaces=["mice"], **values), "NetworkPolicy", "-operator")["spec"]


@each_trainer
def test_the_policy_for_trainers_selects_what_the_operator_builds(component: str) -> None:
    assert _selects(_trainer_policy()["podSelector"], _labels_of_trainer(component))


@each_trainer
def test_a_policy_selects_only_its_own(component: str) -> None:
    assert not _selects(_operator_policy()["podSelector"], _labels_of_trainer(component))
    assert not _selects(_trainer_policy()["podSelector"], _labels_of_operator())
    assert _selects(_operator_policy()["podSelector"], _labels_of_operator())


def test_the_operator_may_ask_trainers_for_their_progress() -> None:
    trainer = _labels_of_trainer("attempt")
    assert any(
        _ports(rule) == {TRAINER_PORT} and _admits(rule["to"], trainer, "mice", NAMESPACE)
        for rule in _operator_policy()["egress"]
        if "to" in rule
    )
    closed = _trainer_policy(networkPolicy={"monitoringPeers": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]})
    assert any(
        TRAINER_PORT in _ports(rule) and _admits(rule["from"], _labels_of_operator(), NAMESPACE, "mice")
        for rule in closed["ingress"]
    )


def test_ranks_of_a_gang_reach_each_other_on_any_port_and_strangers_do_not() -> None:
    policy, trainer = _trainer_policy(), _labels_of_trainer("attempt")
    gang = [rule for rule in policy["ingress"] if not _ports(rule)]
    assert len(gang) == 1
    assert _admits(gang[0]["from"], trainer, "mice", "mice")
    assert not _admits(gang[0]["from"], trainer, "flies", "mice")
    assert not _admits(gang[0]["from"], {"app": "notebook"}, "mice", "mice")
    assert any(_admits(rule["to"], trainer, "mice", "mice") for rule in policy["egress"] if "to" in rule)


def test_only_the_prometheus_that_is_named_may_scrape() -> None:
    peer = {"podSelector": {"matchLabels": {"app": "prometheus"}}, "namespaceSelector": {}}
    for policy in (_operator_policy, _trainer_policy):
        metrics = [rule for rule in policy(networkPolicy={"monitoringPeers": [peer]})["ingress"] if _ports(rule)]
        assert len(metrics) == 1
        assert _admits(metrics[0]["from"], {"app": "prometheus"}, "monitoring", "mice")
        assert not _admits(metrics[0]["from"], {"app": "notebook"}, "monitoring", "mice")


def test_trainers_keep_off_the_clouds_metadata_service_unless_told_otherwise() -> None:
    blocks = [
        peer["ipBlock"] for rule in _trainer_policy()["egress"] for peer in rule.get("to", ()) if "ipBlock" in peer
    ]
    assert {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]} in blocks


def test_trainers_reach_a_store_in_the_cluster_where_ip_blocks_mean_no_pods() -> None:
    rules = [rule for rule in _trainer_policy()["egress"] if not _ports(rule)]
    assert any(_admits(rule["to"], {"app": "minio"}, "storage", "mice") for rule in rules)


def test_trainers_of_a_lab_that_names_its_store_reach_nothing_else() -> None:
    store = {"to": [{"ipBlock": {"cidr": "10.20.0.0/24"}}], "ports": [{"protocol": "TCP", "port": 9000}]}
    egress = _trainer_policy(networkPolicy={"trainerEgress": [store]})["egress"]
    assert [rule for rule in egress if any("ipBlock" in peer for peer in rule.get("to", ()))] == [store]
    open_to_all = [rule for rule in egress if "to" not in rule]
    assert [_ports(rule) for rule in open_to_all] == [{53}]


def test_each_namespace_of_jobs_has_a_policy_for_its_trainers() -> None:
    objects = render(watchNamespaces=["mice"], namespaces=[{"name": "flies"}])
    policies = of_kind(objects, "NetworkPolicy")
    assert sorted(policy["metadata"]["namespace"] for policy in policies) == ["flies", "mice", NAMESPACE]


def test_policies_can_be_left_out() -> None:
    assert of_kind(render(networkPolicy={"enabled": False}), "NetworkPolicy") == []
