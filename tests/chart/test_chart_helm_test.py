"""The pod and the job of ``helm test``."""

from typing import Any

import yaml

from chart.rendering import Manifest, only, render
from posefleet_api.job import parse_job
from posefleet_operator.trainer_defaults import TrainerDefaults, resolved

STORE = {"endpoint": "https://s3.lab", "credentialsSecretRef": {"name": "lab-s3"}, "caSecretRef": {"name": "lab-ca"}}


def _pod(**trainer: Any) -> Manifest:
    values = {"trainer": {"storage": STORE, **trainer}, "test": {"uri": "s3://lab/test/"}}
    return only(render(**values), "Pod", "-test")["spec"]


def test_a_quota_of_cpus_and_memory_takes_the_pod() -> None:
    pod = _pod()
    for container in [*pod["initContainers"], *pod["containers"]]:
        for kind in ("requests", "limits"):
            assert container["resources"][kind].keys() == {"cpu", "memory"}, container["name"]


def test_the_pod_runs_as_the_trainers_user_however_large_its_number() -> None:
    pod = _pod(runAsUser=1_000_660_000)
    assert [c["securityContext"].get("runAsUser") for c in pod["initContainers"]] == [1_000_660_000]
    assert [c["securityContext"].get("runAsGroup") for c in pod["initContainers"]] == [1_000_660_000]


def test_volumes_of_the_trainers_template_stand_beside_the_pods_own() -> None:
    mine = [{"name": name, "emptyDir": {}} for name in ("tmp", "job", "ca")]
    pod = _pod(pod={"volumes": mine, "volumeMounts": [{"name": "ca", "mountPath": "/mine"}]})
    names = [volume["name"] for volume in pod["volumes"]]
    assert len(names) == len(set(names)) == 6
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= set(names), container["name"]


def test_the_job_asks_for_no_network_card_that_other_jobs_get_by_default() -> None:
    trainer = {"storage": STORE, "resources": {"extendedResources": {"rdma/hca": "1"}}}
    config = only(render(trainer=trainer, test={"uri": "s3://lab/test/"}), "ConfigMap", "-test")
    job = parse_job(yaml.safe_load(config["data"]["job.yaml"]))
    defaults = TrainerDefaults.model_validate({"resources": trainer["resources"]})
    assert resolved(job, defaults).spec.resources.extended_resources == {}


def test_the_pod_finds_a_node_where_trainer_pods_do() -> None:
    placement = {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }
    requirements = [{"key": "nvidia.com/gpu.memory", "operator": "In", "values": ["81920"]}]
    pod = _pod(pod={**placement, "nodeAffinity": requirements})
    assert {name: pod[name] for name in placement} == placement
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchExpressions": requirements}


def test_the_trial_store_finds_a_node_where_the_operator_does() -> None:
    placement = {
        "nodeSelector": {"pool": "all"},
        "tolerations": [{"key": "lab", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    }
    deployments = render(trialStore={"enabled": True, "image": "minio:1"}, **placement)
    store = only(deployments, "Deployment", "-store")["spec"]["template"]["spec"]
    assert {name: store[name] for name in placement} == placement
