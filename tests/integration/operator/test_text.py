"""Text from outside on its way to a real API server: any character, any length."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.operator.stage import COMPLETED, OperatorProcess, Stage
from posefleet_operator.cluster.client import CONFIG_MAP, EVENT, TRAINING_JOB, Cluster
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.cluster.text import without_surrogates
from posefleet_operator.foreign_reasons import reason_named
from posefleet_operator.observation import Observation
from posefleet_operator.plan import JobEvent
from posefleet_operator.policies.events import event_manifest
from unit.operator.builders import NOW, SETTINGS

pytestmark = pytest.mark.cluster

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
#: What has a meaning of its own in JSON, in YAML or in UTF-8.
_CHARACTERS = "a \t\r\n\x00\x07\x1b\"\\/:#'\x7f\x80\x85\x9f\xa0\u2028\u2029\ufeff\ufffe\uffff\U0001f42d\ud83d"
HARD = st.text(st.sampled_from(_CHARACTERS))
FUZZ = settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture
async def cluster(stage: Stage) -> AsyncIterator[Cluster]:
    """The operator's own client."""
    connected = await Cluster.connect(str(stage.cluster.kubeconfig))
    yield connected
    await connected.close()


def _status(message: str) -> dict[str, Any]:
    condition = {
        "type": "Running", "status": "False", "reason": "Error", "message": message,
        "lastTransitionTime": "2026-01-31T12:00:00Z",
    }  # fmt: skip
    return {"conditions": [condition]}


async def test_every_text_is_stored_as_it_is(stage: Stage, cluster: Cluster) -> None:
    @FUZZ
    @given(text=st.one_of(ANY_TEXT, HARD))
    def check(text: str) -> None:
        texts.append(text)

    texts: list[str] = []
    check()
    stage.apply("reaching")
    for text in texts:
        wanted = without_surrogates(text)
        written = await cluster.patch(TRAINING_JOB, stage.namespace, "reaching", {"status": _status(text)}, "status")
        assert written["status"]["conditions"][0]["message"] == wanted
        assert await _message_read_as_yaml(stage, cluster, text) == wanted
        config = {"metadata": {"name": f"text-{uuid.uuid4().hex}", "namespace": stage.namespace}, "data": {"a": text}}
        created = await cluster.create(CONFIG_MAP, {**_typed(CONFIG_MAP), **config})
        assert created["data"]["a"] == wanted


async def test_every_word_becomes_a_reason_and_every_message_the_note_of_an_event(
    stage: Stage, cluster: Cluster
) -> None:
    @FUZZ
    @given(word=st.one_of(ANY_TEXT, HARD, st.just("x" * 200)), message=st.one_of(ANY_TEXT, st.just("🐭" * 2000)))
    def check(word: str, message: str) -> None:
        said.append((word, message))

    said: list[tuple[str, str]] = []
    check()
    stage.apply("reaching")
    seen = Observation(stage.job("reaching"), (), (), NOW, SETTINGS)
    for number, (word, message) in enumerate(said):
        event = event_manifest(seen, JobEvent(reason_named(word), message, str(number)), "operator")
        created = await cluster.create(EVENT, event)
        assert created["note"] == event["note"]


async def _message_read_as_yaml(stage: Stage, cluster: Cluster, text: str) -> str:
    """What the API server reads in the body of a server-side apply, which it takes for YAML."""
    body = {**_typed(TRAINING_JOB), "metadata": {"name": "reaching"}, "status": _status(text)}
    path = TRAINING_JOB.path(stage.namespace, "reaching", "status")
    query = {"fieldManager": "test", "force": "true", "dryRun": "All"}
    applied = await cluster._request("PATCH", TRAINING_JOB, path, query, body, "application/apply-patch+yaml")
    return str(applied["status"]["conditions"][0]["message"])


def _typed(kind: Any) -> Manifest:
    return {"apiVersion": kind.api_version, "kind": kind.kind}


TEXT = "the mouse 🐭 ran away\x7f\u2028 with 🐀"


def test_an_emoji_in_a_message_and_in_a_manifest_is_stored_as_it_is(stage: Stage, operator: OperatorProcess) -> None:
    said = {"exit": 1, "message": {"reason": "Error", "message": TEXT}}
    stage.apply("reaching", {"1": said, "2": COMPLETED}, pod=_acting({"1": said, "2": COMPLETED}))
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert status["attempts"][0]["message"] == TEXT
    config = stage.core.read_namespaced_config_map("reaching-a1", stage.namespace)
    assert "🐁" in config.data["job.json"]
    notes = [event.message for event in stage.core.list_namespaced_event(stage.namespace).items]
    assert any(TEXT in note for note in notes if note)


def _acting(script: dict[str, Any]) -> dict[str, Any]:
    return {"env": [{"name": "ACT", "value": json.dumps(script)}, {"name": "MOUSE", "value": "🐁"}]}
