"""Files of volumes: projection, selection of keys, modes, subPaths."""

import pytest

from posefleet_lab.process_node.sandbox.environment import ConfigError
from posefleet_lab.process_node.sandbox.projection import ProjectedFile, write_files
from posefleet_lab.process_node.sandbox.sandbox import _inside
from posefleet_lab.process_node.sandbox.volumes import PodVolumes, VolumeError

POD = {"metadata": {"name": "pod", "namespace": "lab", "uid": "uid-1", "labels": {"a": "b"}}, "spec": {}}


class Objects:
    async def config_map(self, namespace, name):
        return {"job.json": b"{}", "other": b"x"} if name == "job" else None

    async def secret(self, namespace, name):
        return {"key": b"value"} if name == "s3" else None

    async def token(self, pod, audience, seconds):
        return f"token-{audience}-{seconds}".encode()


def volumes(tmp_path, *sources):
    spec = {"volumes": [{"name": f"v{number}", **source} for number, source in enumerate(sources)]}
    return PodVolumes({**POD, "spec": spec}, tmp_path / "volumes", Objects(), {})


def contents(directory):
    return {entry.name: entry.read_text() for entry in directory.iterdir() if not entry.name.startswith("..")}


def test_files_change_all_at_once(tmp_path):
    assert write_files(tmp_path, {"a": ProjectedFile(b"1"), "b": ProjectedFile(b"2")})
    assert not write_files(tmp_path, {"a": ProjectedFile(b"1"), "b": ProjectedFile(b"2")})
    assert write_files(tmp_path, {"b": ProjectedFile(b"3"), "deep/c": ProjectedFile(b"4", 0o600)})
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b").read_text() == "3"
    assert (tmp_path / "deep" / "c").read_text() == "4"
    assert (tmp_path / "deep" / "c").stat().st_mode & 0o777 == 0o600
    assert len([entry for entry in tmp_path.iterdir() if entry.name.startswith("..v")]) == 1


async def test_items_choose_and_rename_keys(tmp_path):
    made = volumes(tmp_path, {"configMap": {"name": "job", "items": [{"key": "job.json", "path": "run.json"}]}})
    await made.set_up()
    assert contents(made.path("v0")) == {"run.json": "{}"}
    assert made.read_only("v0")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"secret": {"secretName": "no"}}, 'MountVolume.SetUp failed for volume "v0" : secret "no" not found'),
        (
            {"configMap": {"name": "job", "items": [{"key": "nope", "path": "x"}]}},
            'MountVolume.SetUp failed for volume "v0" : references non-existent configmap key: nope in lab/job',
        ),
    ],
)
async def test_what_is_missing_is_named(tmp_path, source, message):
    with pytest.raises(VolumeError) as failed:
        await volumes(tmp_path, source).set_up()
    assert str(failed.value) == message


async def test_an_optional_volume_of_nothing_is_empty(tmp_path):
    made = volumes(tmp_path, {"secret": {"secretName": "no", "optional": True}})
    await made.set_up()
    assert contents(made.path("v0")) == {}


async def test_projected_volumes_join_their_sources(tmp_path):
    sources = [
        {"configMap": {"name": "job", "items": [{"key": "other", "path": "other"}]}},
        {"secret": {"name": "s3"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"serviceAccountToken": {"path": "token", "audience": "aud", "expirationSeconds": 600}},
    ]
    made = volumes(tmp_path, {"projected": {"sources": sources}})
    await made.set_up()
    expected = {"other": "x", "key": "value", "labels": 'a="b"', "token": "token-aud-600"}
    assert contents(made.path("v0")) == expected


async def test_volumes_are_removed_and_host_paths_stay(tmp_path):
    (tmp_path / "mine").mkdir()
    made = volumes(tmp_path, {"emptyDir": {}}, {"hostPath": {"path": str(tmp_path / "mine")}})
    await made.set_up()
    assert made.path("v0").is_dir()
    made.remove()
    assert not made.path("v0").exists()
    assert (tmp_path / "mine").is_dir()


async def test_a_host_path_of_the_wrong_type_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(VolumeError, match="hostPath type check failed"):
        await volumes(tmp_path, {"hostPath": {"path": str(tmp_path / "file"), "type": "Directory"}}).set_up()


def test_a_sub_path_may_not_leave_its_volume(tmp_path):
    with pytest.raises(ConfigError, match="leaves the volume"):
        _inside(tmp_path, "../elsewhere")
    assert _inside(tmp_path, "a/b").is_dir()


async def test_empty_dirs_on_a_disk_of_their_own_leave_it_with_their_pod(tmp_path):
    disk = tmp_path / "disk"
    pod = {**POD, "spec": {"volumes": [{"name": "cache", "emptyDir": {}}]}}
    volumes = PodVolumes(pod, tmp_path / "volumes", Objects(), {}, disk)
    await volumes.set_up()
    assert volumes.path("cache").is_dir()
    assert volumes.path("cache").is_relative_to(disk)
    volumes.remove()
    assert not list(disk.iterdir())
