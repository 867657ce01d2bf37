"""What the page says, and that it needs nothing and trusts nobody."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from posefleet_api.job import parse_job
from posefleet_api.status import Attempt, Status
from posefleet_trainer.report.page import attempts_of, kept_files, manifest_of

EVIL = "<script>alert('x')</script>"
_SECTIONS = ("training", "errors", "frames", "videos", "attempts", "manifest", "versions")
_VOID = {"meta", "img", "br", "link"}


class Balance(HTMLParser):
    """Collects the tags and addresses of a page, and fails where an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.addresses += [value for name, value in attributes if name in {"src", "href", "xlink:href", "data"}]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag


def parsed(page: str) -> Balance:
    balance = Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []
    return balance


def test_the_page_has_every_section_and_links_to_them(made):
    page = made.page(made.results())
    addresses = parsed(page).addresses
    for section in _SECTIONS:
        assert f'id="{section}"' in page
        assert f"#{section}" in addresses


def test_the_page_names_the_format_of_the_project(made):
    assert " (lightningPose)</dd>" in made.page(made.results())


def test_the_page_asks_no_other_address_for_anything(made):
    page = made.page(made.results())
    balance = parsed(page)
    beside = ("#", "data:image/", "../labelled_videos/", "../attempts/")
    assert all(address.startswith(beside) for address in balance.addresses)
    assert not balance.tags & {"script", "link", "iframe", "object"}
    assert not re.search(r"url\(|@import", page)


def test_names_warnings_and_paths_of_other_people_are_escaped(made):
    results = made.results([EVIL, 'b"><img src=x onerror=y>', "{{ 7 * 7 }}"])
    page = made.page(replace(results, warnings=[f"labels row 3: {EVIL} is odd"]))
    assert "<script" not in page
    assert "onerror=y>" not in page
    assert "{{ 7 * 7 }}</td>" in page
    assert "labels row 3: &lt;script&gt;" in page
    assert "script" not in parsed(page).tags


@pytest.mark.parametrize("count", [1, 40])
def test_any_number_of_keypoints_is_shown(made, count):
    names = [f"point {number}" for number in range(count)]
    page = made.page(made.results(names))
    parsed(page)
    assert all(f"{name}</td>" in page for name in names)


def test_a_job_without_videos_or_test_frames_has_a_page(made):
    page = made.page(made.results(sets={"train"}, videos=0))
    parsed(page)
    assert "No video was predicted." in page
    assert "validation," not in page


def test_a_job_without_labelled_frames_to_look_at_has_a_page(made):
    page = made.page(made.results(sets=set()))
    parsed(page)
    assert "No frame has a label to compare with." in page


def test_a_model_without_history_has_a_page(made):
    results = made.results()
    untrained = replace(results.model, history=[])
    assert "no record of its training" in made.page(replace(results, model=untrained))


def test_many_videos_do_not_make_a_huge_page(made):
    page = made.page(made.results(videos=30))
    assert "The first 8 of 30 videos" in page
    assert len(page) < 4_000_000


def test_the_present_attempt_completes_those_that_the_operator_knows(made):
    first = Attempt(number=1, start_time="2026-01-01T00:00:00Z", outcome="Preempted", end_step=70)
    second = Attempt(number=2, start_time="2026-01-01T01:00:00Z")
    job = made.context.job.model_copy(update={"status": Status(current_attempt=2, attempts=[first, second])})
    report = made.context.progress.report().model_copy(update={"attempt": 2, "start_step": 64})
    shown = attempts_of(job, report)
    assert [attempt.number for attempt in shown] == [1, 2]
    assert shown[0] == first
    assert (shown[1].start_time, shown[1].start_step) == ("2026-01-01T01:00:00Z", 64)


def test_the_manifest_is_shown_without_the_values_of_environment_variables(made):
    manifest = made.context.job.to_dict()
    manifest["spec"]["pod"] = {"env": [{"name": "TOKEN", "value": "hunter2"}]}
    shown = manifest_of(parse_job(manifest))
    assert "TOKEN" in shown
    assert "hunter2" not in shown
    assert "epochs: 3" in shown


def test_logs_and_summaries_of_a_clusters_attempts_are_linked():
    kept = kept_files(Attempt(number=3, start_time="2026-01-01T00:00:00Z"), nodes=2)
    assert kept == ["attempts/3/summary.json", "attempts/3/node-0.log", "attempts/3/node-1.log"]
    assert kept_files(Attempt(number=0, start_time="2026-01-01T00:00:00Z"), nodes=2) == []
