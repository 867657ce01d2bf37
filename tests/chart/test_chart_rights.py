"""Who may do what after ``helm install``."""

import pytest
import yaml

from chart.rendering import CHART, NAMESPACE, VALUE_SETS, Manifest, of_kind, only, render, render_set

OPERATOR_RULES = yaml.safe_load((CHART / "files" / "operator-rules.yaml").read_text())
LEASE_RULES = yaml.safe_load((CHART / "files" / "lease-rules.yaml").read_text())
ACCOUNT = "posefleet-operator"


def _bound_to_the_operator(objects: list[Manifest]) -> set[tuple[str, str | None, str]]:
    """Kind of the binding, its namespace, and the name of the role that it gives to the operator's account."""
    me = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    return {
        (binding["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"])
        for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding")
        if me in binding["subjects"]
    }


def test_an_operator_of_all_namespaces_has_its_rules_in_one_cluster_role() -> None:
    objects = render()
    assert _bound_to_the_operator(objects) == {
        ("RoleBinding", NAMESPACE, f"{ACCOUNT}-lease"),
        ("ClusterRoleBinding", None, ACCOUNT),
    }
    assert only(objects, "ClusterRole", ACCOUNT)["rules"] == OPERATOR_RULES


def test_an_operator_of_single_namespaces_has_no_right_beyond_them() -> None:
    objects = render(watchNamespaces=["mice", "flies"])
    assert _bound_to_the_operator(objects) == {
        ("RoleBinding", NAMESPACE, f"{ACCOUNT}-lease"),
        ("RoleBinding", "mice", ACCOUNT),
        ("RoleBinding", "flies", ACCOUNT),
    }
    roles = [role for role in of_kind(objects, "Role") if role["metadata"]["name"] == ACCOUNT]
    assert sorted(role["metadata"]["namespace"] for role in roles) == ["flies", "mice"]
    assert all(role["rules"] == OPERATOR_RULES for role in roles)


def test_a_namespace_named_twice_gets_one_role() -> None:
    assert len(of_kind(render(watchNamespaces=["mice", "mice"]), "Role")) == 2  # with the lease's


def test_the_lease_is_the_operators_only_right_in_its_own_namespace() -> None:
    objects = render(watchNamespaces=["mice"])
    own = [role for role in of_kind(objects, "Role") if role["metadata"]["namespace"] == NAMESPACE]
    assert [role["rules"] for role in own] == [LEASE_RULES]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_no_role_has_a_wildcard_or_touches_secrets(name: str) -> None:
    roles = of_kind(render_set(name), "Role", "ClusterRole")
    assert roles
    for rule in (rule for role in roles for rule in role["rules"]):
        assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
        assert not any(resource.partition("/")[0] == "secrets" for resource in rule["resources"])
        assert "nonResourceURLs" not in rule


@pytest.mark.parametrize("name", VALUE_SETS)
def test_no_right_allows_to_get_more_rights(name: str) -> None:
    risky = {"escalate", "bind", "impersonate"}
    groups = {"rbac.authorization.k8s.io", "authentication.k8s.io"}
    for role in of_kind(render_set(name), "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert not risky & set(rule["verbs"])
            assert not groups & set(rule["apiGroups"])
            assert not {"pods/exec", "pods/attach", "serviceaccounts/token"} & set(rule["resources"])


@pytest.mark.parametrize(("role", "aggregated_to"), [("view", {"view", "edit", "admin"}), ("edit", {"edit", "admin"})])
def test_those_who_may_see_or_edit_a_namespace_may_see_or_edit_its_jobs(role: str, aggregated_to: set[str]) -> None:
    found = only(render(), "ClusterRole", f"-{role}")
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    labels = {key.removeprefix(prefix) for key in found["metadata"]["labels"] if key.startswith(prefix)}
    assert labels == aggregated_to
    assert {group for rule in found["rules"] for group in rule["apiGroups"]} == {"posefleet.io"}


def test_viewers_may_only_read() -> None:
    verbs = {verb for rule in only(render(), "ClusterRole", "-view")["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}


def test_the_roles_of_users_can_be_left_to_the_clusters_owner() -> None:
    assert of_kind(render(userRoles=False, watchNamespaces=["mice"]), "ClusterRole", "ClusterRoleBinding") == []
