"""What the lab needs of a machine, and where it finds the system's programs."""

import pytest

from posefleet_lab import system_programs
from posefleet_lab.errors import LabError
from posefleet_lab.system_programs import Requirements, explain, require, system_path


def test_everything_that_is_missing_is_listed_at_once(monkeypatch):
    monkeypatch.setattr(system_programs.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(system_programs.os, "geteuid", lambda: 1000)
    node = Requirements("the node", {"no-such-a": "package-b", "/no/such": "package-a", "sh": "dash"})
    pages = Requirements("pages", {"no-such-c": "package-b"}, root=False)
    assert explain(node, pages).splitlines() == [
        "this machine cannot run the node and pages:",
        "  Linux is needed, and this is Darwin",
        "  root is needed: run it with sudo",
        "  missing programs: no-such-a, /no/such, no-such-c; install them with "
        "`apt-get install --no-install-recommends package-a package-b`",
    ]
    with pytest.raises(LabError, match="apt-get install --no-install-recommends package-b"):
        require(pages)


def test_what_is_there_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(system_programs.platform, "system", lambda: "Linux")
    assert explain(Requirements("a shell", {"sh": "dash"}, root=False)) == ""


def test_the_systems_programs_are_found_without_sbin_on_the_path():
    assert system_path({"PATH": "/mine:/usr/bin"}).split(":")[:3] == ["/mine", "/usr/bin", "/usr/local/sbin"]
    assert "/usr/sbin" in system_path({}).split(":")
