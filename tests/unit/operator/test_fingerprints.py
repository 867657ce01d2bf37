"""Which edits make a new preparation or new pods necessary."""

from posefleet_api.job import parse_job
from posefleet_operator.fingerprints import data_fingerprint
from unit.operator.builders import a_job


def test_the_fingerprint_follows_data_and_training_but_not_resources() -> None:
    def of(**spec: object) -> str:
        return data_fingerprint(parse_job(a_job().with_spec(**spec).manifest()).spec)

    assert of() == of(resources={"nodes": 4}) == of(suspend=True)
    assert of() != of(dataset={"uri": "s3://other/"})
