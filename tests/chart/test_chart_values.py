"""What values.schema.json refuses, and that the sentence names the place."""

from typing import Any

import pytest
import yaml

from chart.rendering import CHART, refusal, render

MISTAKES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a typo at the top": ({"replica": 2}, ("replica",)),
    "a typo below": ({"trainer": {"storage": {"endpoint": "http://s", "endpiont": "x"}}}, ("endpiont",)),
    "a number as text": ({"replicas": "two"}, ("replicas", "integer")),
    "a list as text": ({"watchNamespaces": "mice"}, ("watchNamespaces", "array")),
    "a namespace with capitals": ({"watchNamespaces": ["Mice"]}, ("watchNamespaces", "Mice")),
    "a store without a scheme": ({"trainer": {"storage": {"endpoint": "minio:9000"}}}, ("endpoint", "minio:9000")),
    "a secret key among the values": (
        {"trainer": {"storage": {"endpoint": "http://s", "secretKey": "wJalrXUtnFEMI"}}},
        ("secretKey",),
    ),
    "an access key of the trial store": ({"trialStore": {"password": "wJalrXUtnFEMI"}}, ("password",)),
    "a way of scraping that is unknown": ({"monitoring": {"scrape": "push"}}, ("scrape", "annotations")),
    "a trainer that runs as root": ({"trainer": {"runAsUser": 0}}, ("runAsUser", "1")),
    "a digest without its algorithm": ({"image": {"digest": "ab" * 32}}, ("digest",)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_by_its_name(mistake: str) -> None:
    values, words = MISTAKES[mistake]
    said = refusal(**values)
    assert "values don't meet the specifications of the schema" in said
    for word in words:
        assert word in said


def test_a_refusal_does_not_show_a_secret() -> None:
    assert "wJalrXUtnFEMI" not in refusal(trainer={"storage": {"endpoint": "http://s", "secretKey": "wJalrXUtnFEMI"}})


def test_a_trial_store_without_an_image_says_what_is_missing() -> None:
    assert "trialStore.image" in refusal(trialStore={"enabled": True})


def test_a_trial_store_without_buckets_is_refused() -> None:
    assert "buckets" in refusal(trialStore={"enabled": True, "image": "minio:1", "buckets": []})


def test_a_helm_test_without_a_store_is_refused() -> None:
    assert "test.storage or trainer.storage" in refusal(test={"uri": "s3://lab/test/"})


def test_credentials_in_the_trainers_environment_are_refused() -> None:
    env = [{"name": "AWS_SECRET_ACCESS_KEY", "value": "wJalrXUtnFEMI"}]
    assert "env" in refusal(trainer={"pod": {"env": env}})


def test_umbrella_charts_may_pass_global_values() -> None:
    assert render(**{"global": {"region": "eu"}}) == render()


def test_every_block_of_values_is_explained_above_its_name_or_in_its_first_line() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    blocks = {line.partition(":")[0]: number for number, line in enumerate(lines) if line and line[0] not in " #"}
    assert blocks.keys() == yaml.safe_load("\n".join(lines)).keys()
    # Of several names in a row, the comment above the first is for all.
    explained = set()
    for name, number in blocks.items():
        first = number
        while lines[first - 1] and not lines[first - 1].startswith("#"):
            first -= 1
        if lines[first - 1].startswith("#") or lines[number + 1].strip().startswith("#"):
            explained.add(name)
    assert blocks.keys() - explained == set()
