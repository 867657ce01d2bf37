"""The chart on a real kubelet, from ``helm install`` to ``helm uninstall``; each test depends on those before."""

import json
import os
import signal
from collections.abc import Callable

import pytest
from published_texts import PublishedTexts

from posefleet_lab.cluster import Cluster
from support import stand_in_trainer
from support.images import built
from support.installation import LAB, RESULTS, SYSTEM, install, open_lab, the_example
from support.jobs import Jobs
from support.queries import Query, alert_queries, dashboard_queries, recorded_queries, unanswered
from support.release import Release
from support.waiting import wait_for

pytestmark = pytest.mark.timeout(900)

#: Enough epochs of the example for a checkpoint, a kill, an upgrade and another attempt.
EPOCHS = 40


@pytest.fixture(scope="module")
def jobs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    return open_lab(cluster, tmp_path_factory.mktemp("animal"))


@pytest.fixture(scope="module")
def release(cluster: Cluster, jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release of the chart with the operator's image from the Dockerfile and the trainer's stand-in."""
    operator = built("operator").name
    cluster.container_node.load_image(operator)
    stand_in_trainer.load(cluster, tmp_path_factory.mktemp("image"))
    jobs.kubectl.apply_everywhere(*stand_in_trainer.volume(LAB))
    values = tmp_path_factory.mktemp("values") / "values.yaml"
    return install(cluster, operator, stand_in_trainer.IMAGE, values, pod=stand_in_trainer.pod_template())


@pytest.fixture(scope="module")
def published(cluster: Cluster, kubectl: Callable[..., str]) -> PublishedTexts:
    return PublishedTexts(cluster, kubectl, [SYSTEM, LAB])


def identities(jobs: Jobs, name: str) -> dict[str, tuple[str, int]]:
    """Return the uid and the restarts of each of a job's trainer pods."""
    return {
        pod["metadata"]["name"]: (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"])
        for pod in jobs.pods(name)
    }


def test_the_operator_leads_in_a_restricted_namespace(release: Release, kubectl: Callable[..., str]) -> None:
    del release
    leases = json.loads(kubectl("-n", SYSTEM, "get", "lease", "posefleet-operator", "-o", "json"))
    assert leases["spec"]["holderIdentity"]


def test_a_job_trains_in_two_pods_that_hold_no_token(release: Release, jobs: Jobs) -> None:
    del release
    name = jobs.apply(the_example(EPOCHS))
    jobs.wait_step(name, 10, seconds=240)
    pods = jobs.pods(name)
    assert len(pods) == 2, jobs.kubectl("describe", "ptj", name)
    for pod in pods:
        assert pod["spec"]["automountServiceAccountToken"] is False
        sources = json.dumps(pod["spec"]["volumes"])
        assert "serviceAccountToken" not in sources


def test_an_upgrade_restarts_no_trainer_pod(
    release: Release, jobs: Jobs, kubectl: Callable[..., str], published: PublishedTexts
) -> None:
    published.collect("before the upgrade")
    operator = kubectl("-n", SYSTEM, "get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "name")
    before = identities(jobs, "demo")
    release.upgrade("log.level=DEBUG")
    assert identities(jobs, "demo") == before
    assert jobs.status("demo")["phase"] == "Running"
    assert kubectl("-n", SYSTEM, "get", "pods", "-l", "app.kubernetes.io/component=operator", "-o", "name") != operator


def test_a_killed_container_costs_an_attempt_and_every_query_has_an_answer(
    cluster: Cluster, release: Release, jobs: Jobs, published: PublishedTexts
) -> None:
    del release
    wait_for("a checkpoint", lambda: jobs.status("demo").get("lastCheckpoint"), 120, 0.5)
    os.kill(cluster.container_node.pids(LAB, jobs.pods("demo")[1]["metadata"]["name"])[0], signal.SIGKILL)
    open_queries: list[Query] = [
        query
        for query in [*dashboard_queries(LAB, "demo"), *recorded_queries(), *alert_queries()]
        if not query.needs_gpu
    ]

    def finished() -> bool:
        open_queries[:] = unanswered(open_queries, cluster.monitoring.query)
        return jobs.status("demo").get("phase") in {"Succeeded", "Failed"}

    wait_for("the job to finish", finished, 420, 1.0)
    published.collect("after training")
    status = jobs.status("demo")
    assert status["phase"] == "Succeeded", jobs.kubectl("describe", "ptj", "demo")
    assert [attempt["outcome"] for attempt in status["attempts"]] == ["Failed", "Succeeded"]
    assert status["attempts"][1]["startStep"] > 0
    assert open_queries == []


def test_results_and_logs_are_in_the_store(cluster: Cluster, release: Release, jobs: Jobs) -> None:
    del release
    names = {item.object_name for item in cluster.store.client().list_objects(RESULTS, "demo/", recursive=True)}
    assert {"demo/report/index.html", "demo/attempts/1/node-0.log", "demo/attempts/2/summary.json"} <= names
    assert jobs.status("demo")["attempts"][1]["logs"] == f"s3://{RESULTS}/demo/attempts/2/"


def test_helm_test_passes(release: Release, published: PublishedTexts, kubectl: Callable[..., str]) -> None:
    try:
        printed = release.test()
    except AssertionError as failed:
        logs = kubectl("-n", LAB, "logs", "posefleet-test", "--all-containers", "--ignore-errors")
        raise AssertionError(f"{failed}\n{logs}") from None
    assert "Phase:          Succeeded" in printed
    published.texts["helm test"] = printed
    published.collect("after helm test")


def test_no_secret_is_published(cluster: Cluster, release: Release, published: PublishedTexts) -> None:
    del release
    logs = cluster.store.client().list_objects(RESULTS, "demo/attempts/", recursive=True)
    for item in logs:
        answer = cluster.store.client().get_object(RESULTS, item.object_name)
        published.texts[f"store: {item.object_name}"] = answer.read().decode()
        answer.close()
        answer.release_conn()
    assert any("log of" in place for place in published.texts)
    assert published.places_with(cluster.store.credentials.secret_key) == []


def test_uninstalling_leaves_the_crd_the_jobs_and_their_results(
    cluster: Cluster, release: Release, jobs: Jobs, kubectl: Callable[..., str]
) -> None:
    release.uninstall()
    wait_for("the operator's pod to go", lambda: not kubectl("-n", SYSTEM, "get", "pods", "-o", "name"), 60)
    kinds = kubectl("api-resources", "--verbs=list", "-o", "name").split()
    selector = f"app.kubernetes.io/instance={release.name}"
    left = kubectl("get", ",".join(kinds), "-A", "-l", selector, "-o", "name", "--ignore-not-found").split()
    assert left == ["customresourcedefinition.apiextensions.k8s.io/posetrainingjobs.posefleet.io"]
    assert jobs.status("demo")["phase"] == "Succeeded"
    assert cluster.store.client().stat_object(RESULTS, "demo/report/index.html").size
