"""Alerts fire when they should, keep silent when they should not, and lead to a runbook."""

from pathlib import Path

import pytest
import yaml

from support.promtool import run_promtool
from support.queries import RULES, alerts

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "alerts"
RUNBOOKS = ROOT / "docs" / "runbooks"
NAMES = [alert["alert"] for alert in alerts()]


def test_promtool_accepts_the_rules():
    well, said = run_promtool("check", "rules", str(RULES))

    assert well, said


@pytest.mark.parametrize("name", [*NAMES, "recording"])
def test_rules_do_what_their_cases_say(name):
    well, said = run_promtool("test", "rules", str(CASES / f"{name}.yaml"))

    assert well, said


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_seen_firing_and_silent(name):
    tests = yaml.safe_load((CASES / f"{name}.yaml").read_text())["tests"]
    expected = [bool(c["exp_alerts"]) for t in tests for c in t["alert_rule_test"] if c["alertname"] == name]

    assert True in expected
    assert False in expected


def test_a_wrong_expectation_is_noticed(tmp_path):
    wrong = yaml.safe_load((CASES / "PosefleetJobDataBound.yaml").read_text())
    wrong["rule_files"] = [str(RULES)]
    firing = next(case for test in wrong["tests"] for case in test["alert_rule_test"] if case["exp_alerts"])
    firing["exp_alerts"] = []
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(wrong))

    assert not run_promtool("test", "rules", str(file))[0]


@pytest.mark.parametrize("alert", alerts(), ids=NAMES)
def test_every_alert_says_what_is_wrong_and_where_to_read_on(alert):
    annotations = alert["annotations"]
    assert alert["labels"]["severity"] in {"info", "warning", "critical"}
    assert annotations["summary"]
    assert annotations["description"]
    if alert["alert"] != "PosefleetOperatorNotReconciling":
        assert "{{ $labels.namespace }}/{{ $labels.training_job }}" in annotations["summary"]
    assert annotations["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
    runbook = (ROOT / annotations["runbook_url"]).read_text()
    for part in ("## What it means", "## See more", "## Usual causes", "## What to do"):
        assert part in runbook


def test_no_runbook_is_about_an_alert_that_does_not_exist():
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(NAMES)
