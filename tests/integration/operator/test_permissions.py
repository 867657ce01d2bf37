"""The operator with exactly the rights of the chart: none is missing, none is too many.

The API server's audit log tells what the operator asked for in a whole life of several jobs.
"""

import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from chart.rendering import of_kind, render_into
from integration.operator.stage import COMPLETED, OperatorProcess, Stage
from posefleet_api.constants import API_VERSION, KIND
from posefleet_lab.cluster import Cluster
from posefleet_lab.tools import binaries
from support.audit import Request, Right, granted, requests_of
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

ACCOUNT = "posefleet-operator"
#: Without the rule, the same failure at the same step would end the job early.
ALWAYS_AGAIN = {"maxFailures": 9, "backoffSeconds": 1, "rules": [{"action": "Retry", "reasons": ["Error"]}]}
_ROLES = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")

#: Rights that the API server asks for while it does something else, so that no request of their own shows them;
#: ``test_an_implied_right_is_needed`` shows that it does.
IMPLIED = {
    Right("update", "posetrainingjobs/finalizers", "posefleet.io"),
}

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """The operator's service account with its rights."""

    namespace: str
    kubeconfig: Path
    rights: frozenset[Right]
    #: What gives them to it.
    manifests: str

    @property
    def user(self) -> str:
        """Its name among users."""
        return f"system:serviceaccount:{self.namespace}:{ACCOUNT}"


@contextmanager
def _account(
    stage: Stage, directory: Path, everywhere: bool, without: Right | None = None, besides: Sequence[str] = ()
) -> Iterator[Account]:
    """The account as the chart makes it, for the stage's namespace (and some besides) alone or for all."""
    home = f"home-{uuid.uuid4().hex[:8]}"
    objects = render_into(home, userRoles=False, watchNamespaces=[] if everywhere else [stage.namespace, *besides])
    roles = [_spared(one, without) for one in of_kind(objects, *_ROLES)]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}}
    manifests = yaml.safe_dump_all([namespace, *of_kind(objects, "ServiceAccount", "Lease"), *roles])
    _kubectl(stage, manifests, "apply")
    path = stage.cluster.service_account_kubeconfig(home, ACCOUNT, directory / f"{home}.kubeconfig")
    rights = frozenset(right for role in of_kind(roles, "Role", "ClusterRole") for right in granted(role["rules"]))
    try:
        yield Account(home, path, rights, manifests)
    finally:
        _kubectl(stage, manifests, "delete", "--wait=false", "--ignore-not-found")


def _spared(manifest: Manifest, right: Right | None) -> Manifest:
    """The manifest; of a role, without one of its rights."""
    if right is None or "rules" not in manifest:
        return manifest
    rules = [
        {"verbs": [verb], "resources": [resource], "apiGroups": [group]}
        for verb, resource, group in sorted((one.verb, one.resource, one.group) for one in granted(manifest["rules"]))
        if Right(verb, resource, group) != right
    ]
    return {**manifest, "rules": rules}


def _kubectl(stage: Stage, manifests: str, verb: str, *options: str) -> None:
    command = [str(binaries.kubectl()), "--kubeconfig", str(stage.cluster.kubeconfig), verb, *options, "-f", "-"]
    subprocess.run(command, input=manifests, text=True, check=True, capture_output=True)


class Life:
    """Jobs that live through all that makes an operator ask the API server for something."""

    def __init__(self, stage: Stage, account: Account, log: Path, start: Callable[[], OperatorProcess]) -> None:
        self._stage = stage
        self._account = account
        self._start = start
        self._asked = partial(requests_of, account.user, log)

    def requests(self) -> list[Request]:
        """What the operators asked for."""
        return self._asked()

    def live(self) -> None:
        """Live it, under two operators of which one leads at a time."""
        leader = self._start()
        leader.wait_until_leading()
        self._lose_the_lease()
        standby = self._start()
        standby.wait_until_ready()
        self._crash_and_succeed()
        self._conflict()
        self._suspend()
        leader.kill()
        standby.wait_until_leading()
        self._resume()
        self._be_refused()
        self._be_squatted()
        self._lack_pods()
        self._go()

    def _lose_the_lease(self) -> None:
        """Somebody deletes it, and the operator creates it again."""
        leases = client.CoordinationV1Api(self._stage.api)
        leases.delete_namespaced_lease(ACCOUNT, self._account.namespace)
        wait_for(
            "a lease",
            lambda: [one for one in leases.list_namespaced_lease(self._account.namespace).items if one.spec],
        )

    def _crash_and_succeed(self) -> None:
        crash = {"exit": 1, "after": 0.5}
        acts = {"1/1": crash, "2": crash, "3": crash, "4": COMPLETED}  # what is left of attempt 1 goes on the way
        self._stage.apply("reaching", acts, nodes=2, failurePolicy=ALWAYS_AGAIN)
        self._stage.wait_for_phase("reaching", "Succeeded")

    def _conflict(self) -> None:
        """Change a job so often that a status meets a newer version of it."""
        self._stage.apply("busy", {"2": COMPLETED})
        self._stage.wait_until_acting("busy", 1)
        get = Right("get", "posetrainingjobs", "posefleet.io")
        seconds = iter(range(1000, 1_000_000))

        def met() -> bool:
            self._stage.patch("busy", ttlSecondsAfterFinished=next(seconds))
            return any(request.right == get for request in self._asked())

        wait_for("a conflict", met, 60, poll_seconds=0)

    def _suspend(self) -> None:
        self._stage.patch("busy", suspend=True)
        self._stage.wait_for_phase("busy", "Suspended")

    def _resume(self) -> None:
        self._stage.patch("busy", suspend=False)
        self._stage.wait_for_phase("busy", "Succeeded")

    def _be_refused(self) -> None:
        """A mistake in the data makes a job fail permanently."""
        self._stage.apply("wrong", {"prepare": {"exit": 78, "message": {"reason": "InvalidInput", "message": "no"}}})
        self._stage.wait_for_phase("wrong", "Failed")
        self._stage.kubectl("delete", "ptj", "wrong")

    def _be_squatted(self) -> None:
        """The name of a job's first child belongs to somebody else."""
        pod = {"restartPolicy": "Never", "containers": [{"name": "idle", "image": "idle"}]}
        squatter = {"metadata": {"name": "late-prepare-1"}, "spec": {"suspend": True, "template": {"spec": pod}}}
        self._stage.batch.create_namespaced_job(self._stage.namespace, squatter)
        self._stage.apply("late", {"1": COMPLETED})
        get = Right("get", "jobs", "batch")
        wait_for("a look at the squatter", lambda: any(request.right == get for request in self._asked()))
        self._stage.kubectl("delete", "job", "late-prepare-1")
        self._stage.wait_for_phase("late", "Succeeded")

    def _lack_pods(self) -> None:
        """A quota refuses the pods of a gang."""
        limit = {"metadata": {"name": "limit"}, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}}
        self._stage.core.create_namespaced_resource_quota(self._stage.namespace, limit)
        self._stage.apply("cramped")
        wait_for("the refusal", lambda: "exceeded quota" in str(self._stage.status("cramped").get("conditions")))
        self._stage.core.delete_namespaced_resource_quota("limit", self._stage.namespace)
        self._stage.kubectl("delete", "ptj", "cramped")

    def _go(self) -> None:
        """The time to live of a finished job ends."""
        self._stage.patch("reaching", ttlSecondsAfterFinished=0)
        self._stage.wait_until_gone("reaching")


@pytest.mark.parametrize("everywhere", [False, True], ids=["one namespace", "all namespaces"])
def test_the_granted_rights_are_enough_and_each_is_used(
    stage: Stage, audit_log: Path, tmp_path: Path, start_operator: Callable[..., OperatorProcess], everywhere: bool
) -> None:
    with _account(stage, tmp_path, everywhere) as account:
        options = {"kubeconfig": str(account.kubeconfig), "lease_namespace": account.namespace, "lease_seconds": "4"}
        life = Life(stage, account, audit_log, partial(start_operator, **options, **_served(everywhere)))
        try:
            life.live()
        finally:  # a refusal explains why a life came to a stop
            requests = life.requests()
            assert [request for request in requests if not request.allowed or request.code == 403] == []

    unused = account.rights - {request.right for request in requests} - IMPLIED
    assert {str(right) for right in unused} == set()


def _served(everywhere: bool) -> dict[str, str]:
    return {"namespaces": ""} if everywhere else {}


def _create_owned_job(api: client.ApiClient, namespace: str) -> None:
    custom = client.CustomObjectsApi(api)
    owner = custom.get_namespaced_custom_object("posefleet.io", "v1alpha1", namespace, "posetrainingjobs", "reaching")
    reference = {"apiVersion": API_VERSION, "kind": KIND, "name": "reaching", "uid": owner["metadata"]["uid"]}
    pod = {"restartPolicy": "Never", "containers": [{"name": "idle", "image": "idle"}]}
    metadata = {"name": "child", "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}]}
    client.BatchV1Api(api).create_namespaced_job(
        namespace, {"metadata": metadata, "spec": {"suspend": True, "template": {"spec": pod}}}
    )


DOES: dict[Right, Callable[[client.ApiClient, str], None]] = {
    Right("update", "posetrainingjobs/finalizers", "posefleet.io"): _create_owned_job,
}


def _refused(does: Callable[[client.ApiClient, str], None], api: client.ApiClient, namespace: str) -> str:
    """What the API server says against it; empty if nothing."""
    try:
        does(api, namespace)
    except client.exceptions.ForbiddenException as error:
        return str(error.body)
    return ""


@pytest.mark.parametrize("right", sorted(IMPLIED, key=str), ids=str)
def test_an_implied_right_is_needed(stage: Stage, tmp_path: Path, right: Right) -> None:
    stage.apply("reaching")
    with _account(stage, tmp_path, everywhere=False, without=right) as account:
        api = config.new_client_from_config(str(account.kubeconfig))
        wait_for("the other rights to be in force", partial(_may_list_jobs, api, stage.namespace))
        assert "forbidden" in _refused(DOES[right], api, stage.namespace)
    with _account(stage, tmp_path, everywhere=False) as account:
        api = config.new_client_from_config(str(account.kubeconfig))
        wait_for("the rights to be in force", partial(_may_list_jobs, api, stage.namespace))
        assert _refused(DOES[right], api, stage.namespace) == ""


def _may_list_jobs(api: client.ApiClient, namespace: str) -> bool:
    try:
        client.BatchV1Api(api).list_namespaced_job(namespace)
    except client.ApiException:
        return False
    return True


@contextmanager
def _namespace(stage: Stage) -> Iterator[Stage]:
    """A second namespace, which may be deleted meanwhile."""
    name = f"{stage.namespace}-too"
    stage.core.create_namespace({"metadata": {"name": name}})
    try:
        yield Stage(stage.api, name, stage.cluster)
    finally:
        stage.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def test_a_namespace_that_is_deleted_does_not_stop_the_others(
    stage: Stage, tmp_path: Path, start_operator: Callable[..., OperatorProcess]
) -> None:
    with (
        _namespace(stage) as other,
        _account(stage, tmp_path, everywhere=False, besides=[other.namespace]) as account,
    ):
        operator = start_operator(
            kubeconfig=str(account.kubeconfig), lease_namespace=account.namespace,
            namespaces=f"{stage.namespace},{other.namespace}", resync_seconds="2",
        )  # fmt: skip
        operator.wait_until_leading()
        stage.apply("here")
        other.apply("there")
        stage.wait_until_acting("here", 1)
        other.wait_for_phase("there", "Preparing")

        stage.kubectl("delete", "namespace", other.namespace, "--timeout=60s")
        wait_for("a complaint", lambda: f"namespace {other.namespace} is not served" in operator.log.read_text())
        stage.patch("here", suspend=True)
        stage.wait_for_phase("here", "Suspended")
        stage.patch("here", suspend=False)
        stage.wait_for_phase("here", "Running")

        stage.core.create_namespace({"metadata": {"name": other.namespace}})
        _kubectl(stage, account.manifests, "apply")
        other.apply("there")
        other.wait_for_phase("there", "Preparing")
        assert "leading failed" not in operator.log.read_text()


def test_a_refused_request_is_seen_in_the_audit_log(stage: Stage, audit_log: Path, tmp_path: Path) -> None:
    with _account(stage, tmp_path, everywhere=False) as account:
        api = config.new_client_from_config(str(account.kubeconfig))
        with pytest.raises(client.ApiException):
            client.CoreV1Api(api).list_namespaced_secret(stage.namespace)
        (request,) = requests_of(account.user, audit_log)
    assert request.right == Right("list", "secrets", "")
    assert (request.code, request.allowed) == (403, False)


def test_the_clusters_strictness_is_that_of_the_test(theatre: Cluster) -> None:
    """Without the admission plugin the right to finalizers would never be asked for."""
    command = next(one.command for one in theatre.components if one.name == "apiserver")
    assert "--enable-admission-plugins=OwnerReferencesPermissionEnforcement" in command
