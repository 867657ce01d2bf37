"""Names of pods and Services in hosts files, and in containers that have none of their own."""

from hypothesis import given
from hypothesis import strategies as st

from posefleet_lab.process_node.sandbox.hosts_files import addresses, cluster_entries, hostname_of, hosts_file, rewrite
from posefleet_lab.process_node.sandbox.sandbox import names_of_service, translate


def a_pod(name, address="", namespace="lab", ready=True, **spec):
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"gang": "g"}},
        "spec": spec,
        "status": {"podIP": address, "conditions": conditions},
    }


def a_service(name="gang", namespace="lab", **spec):
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"selector": {"gang": "g"}, **spec}}


HEADLESS = {"clusterIP": "None", "publishNotReadyAddresses": True}


def test_a_pod_of_a_headless_service_has_every_form_of_its_name():
    pods = [a_pod("gang-0-x", "127.16.0.2", hostname="gang-0", subdomain="gang", ready=False)]
    known = addresses(cluster_entries([a_service(**HEADLESS)], pods), "lab")
    for form in ("gang-0.gang", "gang-0.gang.lab", "gang-0.gang.lab.svc", "gang-0.gang.lab.svc.cluster.local", "gang"):
        assert known[form] == "127.16.0.2"


def test_from_another_namespace_the_short_forms_are_unknown():
    pods = [a_pod("gang-0-x", "127.16.0.2", hostname="gang-0", subdomain="gang")]
    known = addresses(cluster_entries([a_service(**HEADLESS)], pods), "elsewhere")
    assert "gang-0.gang" not in known
    assert known["gang-0.gang.lab"] == "127.16.0.2"


def test_no_name_without_an_address_readiness_or_the_services_labels():
    unready = a_pod("a", "127.16.0.2", subdomain="gang", ready=False)
    unbound = a_pod("b", "", subdomain="gang")
    other = {**a_pod("c", "127.16.0.3", subdomain="gang"), "metadata": {"name": "c", "namespace": "lab", "labels": {}}}
    assert cluster_entries([a_service(clusterIP="None")], [unready, unbound, other]) == []


def test_the_hosts_file_starts_with_the_pod_itself():
    pod = a_pod("gang-0-x", hostname="gang-0", subdomain="gang", hostAliases=[{"ip": "10.0.0.1", "hostnames": ["db"]}])
    lines = hosts_file(pod, "127.16.0.2", []).splitlines()
    assert "127.0.0.1\tlocalhost" in lines
    assert "127.16.0.2\tgang-0.gang.lab.svc.cluster.local gang-0" in lines
    assert "10.0.0.1\tdb" in lines


def test_a_hostname_is_at_most_63_characters():
    assert len(hostname_of(a_pod("x" * 100))) == 63


@given(st.text(alphabet="abc\n"), st.text(alphabet="abc\n"))
def test_a_file_is_rewritten_in_place(tmp_path_factory, before, after):
    file = tmp_path_factory.mktemp("hosts") / "hosts"
    rewrite(file, before)
    inode = file.stat().st_ino
    rewrite(file, after)
    assert (file.read_text(), file.stat().st_ino) == (after, inode)


def test_paths_are_translated_whole():
    paths = {"/cache": "/pods/1/cache", "/cache/deep": "/pods/1/deep"}
    assert translate("/cache/x:/cached:/my/cache", paths, {}) == "/pods/1/cache/x:/cached:/my/cache"
    assert translate("--out=/cache/deep/y", paths, {}) == "--out=/pods/1/deep/y"


def test_names_are_translated_whole():
    names = {"gang-0.gang": "127.16.0.2", "gang": "127.16.0.9"}
    assert translate("tcp://gang-0.gang:29500", {}, names) == "tcp://127.16.0.2:29500"
    assert translate("gang-1.gang.example gangway", {}, names) == "gang-1.gang.example gangway"


def test_names_of_a_service_are_found_in_all_their_forms():
    text = "tcp://gang-0.gang:29500 gang-1.gang.lab.svc.cluster.local gang-2.gang.other a.gang-0.gang gang-0.gang.py"
    assert names_of_service(text, "gang", "lab") == {"gang-0.gang", "gang-1.gang.lab.svc.cluster.local"}
