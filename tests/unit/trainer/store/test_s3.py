"""What a store may answer, and what the job's author reads of it."""

import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from posefleet_api.dataset import Storage
from posefleet_trainer.errors import InvalidInput, StoreUnreachable
from posefleet_trainer.store.base import StoredObject
from posefleet_trainer.store.s3 import S3Store
from posefleet_trainer.store.s3_connection import S3Connection
from posefleet_trainer.store.s3_http import Patience
from unit.trainer.store.s3_stub import Answer, s3_error, s3_stub

SECRET = "do-not-print-me"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


def a_store(endpoint: str, seconds: float = 5, region: str = "us-east-1") -> S3Store:
    patience = Patience(seconds, sleep=lambda _: None)
    return S3Store(S3Connection(Storage(endpoint=endpoint, region=region), patience), "lab", "mouse/")


def message(answer: Answer, kind: type[Exception] = InvalidInput) -> str:
    with s3_stub(lambda *_: answer) as stub, pytest.raises(kind) as refused:
        a_store(stub.endpoint, seconds=0.1).read("a.csv")
    assert SECRET not in str(refused.value)
    assert "the-user" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "NoSuchBucket", ["s3://lab/mouse/a.csv", "bucket lab does not exist", "create it"]),
        (404, "NoSuchKey", ["s3://lab/mouse/a.csv does not exist", "upload it"]),
        (403, "AccessDenied", ["s3://lab/mouse/a.csv", "denied to read", "storage.credentialsSecretRef"]),
        (403, "InvalidAccessKeyId", ["does not know the access key", "AWS_ACCESS_KEY_ID"]),
        (403, "SignatureDoesNotMatch", ["refused the signature", "AWS_SECRET_ACCESS_KEY"]),
        (400, "ExpiredToken", ["session token", "AWS_SESSION_TOKEN"]),
        (400, "AuthorizationHeaderMalformed", ["another region", "storage.region"]),
        (403, "RequestTimeTooSkewed", ["clocks", "NTP"]),
        (412, "PreconditionFailed", ["changed while it was read"]),
        (400, "SomethingNew", ["refused to read it (SomethingNew)"]),
    ],
)
def test_refusals_name_the_uri_and_the_remedy(status: int, code: str, words: list[str]):
    said = message(s3_error(status, code))
    assert all(word in said for word in words)


def test_web_page_instead_of_a_store_is_explained():
    said = message(Answer(403, b"<html>console</html>", "text/html"))
    assert "does not answer as an S3 store does" in said


@pytest.mark.parametrize("body", [b"<html><p>console</html>", b"<html></html>", b"hello", b"<Error></Error>"])
def test_listing_that_is_no_listing_is_explained(body: bytes):
    page = Answer(200, body, "text/html")
    with s3_stub(lambda *_: page) as stub, pytest.raises(InvalidInput, match="does not answer as an S3 store does"):
        list(a_store(stub.endpoint).list())


def test_http_to_an_https_server_is_explained():
    said = message(Answer(400, b"Client sent an HTTP request to an HTTPS server.\n", "text/plain"))
    assert "speaks https; write https:// in storage.endpoint" in said


def test_https_to_an_http_server_is_explained():
    with s3_stub(lambda *_: Answer()) as stub:
        store = a_store(stub.endpoint.replace("http:", "https:"), seconds=0.1)
        with pytest.raises(InvalidInput, match=r"does not support https; write http:// in storage\.endpoint"):
            store.read("a.csv")


def test_server_that_stays_broken_is_unreachable_with_its_own_words():
    said = message(s3_error(503, "SlowDown"), StoreUnreachable)
    assert "s3://lab/mouse/a.csv at http://127.0.0.1" in said
    assert "did not answer for 0 s: HTTP 503 SlowDown" in said


def test_closed_port_is_unreachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        store = a_store(f"http://127.0.0.1:{taken.getsockname()[1]}", seconds=0.05)
        with pytest.raises(StoreUnreachable, match="connection refused; check that the store is up"):
            next(store.list(), None)


def test_errors_that_pass_are_borne():
    answers = [s3_error(503, "SlowDown"), s3_error(500, "InternalError"), Answer(429), Answer(200, b"content")]
    with s3_stub(lambda number, *_: answers[number]) as stub:
        assert a_store(stub.endpoint).read("a.csv") == b"content"


def test_body_that_breaks_off_is_read_again():
    answers = [Answer(200, b"con", promised=7), Answer(200, b"content")]
    with s3_stub(lambda number, *_: answers[number]) as stub:
        assert a_store(stub.endpoint).read("a.csv") == b"content"


def test_ranges_are_asked_for_by_tag():
    with s3_stub(lambda *_: Answer(206, b"cd")) as stub:
        assert a_store(stub.endpoint).read_range(StoredObject("a", 9, "t1"), 2, 2) == b"cd"
    _, path, headers = stub.requests[0]
    assert path == "/lab/mouse/a"
    assert (headers["if-match"], headers["range"]) == ('"t1"', "bytes=2-3")


def _parts(complete: list[Answer]) -> Callable[[int, str, str, dict[str, str]], Answer]:
    """A store that takes the parts of an upload and answers to its end with ``complete``, one after the other."""

    def respond(number: int, method: str, path: str, headers: dict[str, str]) -> Answer:
        if method == "PUT":
            return Answer(200, headers={"ETag": '"part"'})
        if "uploads" in path:
            return Answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        return complete.pop(0)

    return respond


def test_parts_that_were_not_put_together_in_spite_of_an_ok_are_sent_again(tmp_path: Path):
    (tmp_path / "a").write_bytes(bytes(17 * 2**20))
    failed = Answer(200, s3_error(200, "InternalError").body)
    done = Answer(
        200,
        b"<CompleteMultipartUploadResult><Bucket>lab</Bucket><Key>mouse/a</Key><Location>l</Location>"
        b"<ETag>whole</ETag></CompleteMultipartUploadResult>",
    )
    answers = [failed, done]
    with s3_stub(_parts(answers)) as stub:
        a_store(stub.endpoint).upload(tmp_path / "a", "a")
    assert answers == []

    with s3_stub(_parts([failed] * 99)) as stub, pytest.raises(StoreUnreachable, match="could not be put together"):
        a_store(stub.endpoint, seconds=0).upload(tmp_path / "a", "a")


def test_each_part_of_a_download_is_a_sign_of_life(tmp_path: Path):
    def respond(number: int, method: str, path: str, headers: dict[str, str]) -> Answer:
        first, last = map(int, headers["range"].removeprefix("bytes=").split("-"))
        return Answer(206, bytes(last - first + 1))

    signs: list[bool] = []
    with s3_stub(respond) as stub:
        connection = S3Connection(Storage(endpoint=stub.endpoint, region="us-east-1"), Patience(5))
        store = S3Store(connection, "lab", "mouse/", lambda: signs.append(True)).child("videos")
        store.download(StoredObject("a", 40 * 2**20, "t"), tmp_path / "a")
    assert len(signs) == 3


def test_a_region_that_is_none_is_named():
    with pytest.raises(InvalidInput, match=r"storage\.region cannot be used: invalid region"):
        a_store("http://127.0.0.1:1", region="-")


def test_redirect_to_elsewhere_is_not_followed():
    with s3_stub(lambda *_: Answer(200, b"x")) as other:
        moved = Answer(302, b"", headers={"Location": f"{other.endpoint}/lab/mouse/a"})
        with s3_stub(lambda *_: moved) as stub, pytest.raises(InvalidInput):
            a_store(stub.endpoint, seconds=0.1).read("a")
        assert other.requests == []


def test_region_is_asked_for_where_none_is_given():
    location = Answer(200, b"<LocationConstraint>eu-central-1</LocationConstraint>")
    with s3_stub(lambda number, *_: location if number == 0 else Answer(200, b"x")) as stub:
        assert a_store(stub.endpoint, region="").read("a") == b"x"
    assert stub.requests[0][1] == "/lab?location="
    assert "/eu-central-1/s3/" in stub.requests[1][2]["authorization"]


def test_keys_that_may_not_ask_for_the_region_are_served():
    def respond(number: int, method: str, path: str, headers: dict[str, str]) -> Answer:
        return s3_error(403, "AccessDenied") if "location" in path else Answer(200, b"x")

    with s3_stub(respond) as stub:
        store = a_store(stub.endpoint, region="")
        assert [store.read("a"), store.read("a")] == [b"x", b"x"]
    assert ["location" in path for _, path, _ in stub.requests] == [True, False, False]


def test_nothing_is_signed_without_credentials(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with s3_stub(lambda *_: Answer(200, b"x")) as stub:
        a_store(stub.endpoint).read("a")
    assert "authorization" not in stub.requests[0][2]


def test_session_token_is_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-1")
    with s3_stub(lambda *_: Answer(200, b"x")) as stub:
        a_store(stub.endpoint).read("a")
    assert stub.requests[0][2]["x-amz-security-token"] == "token-1"


def test_missing_object_is_told_from_a_missing_bucket():
    with s3_stub(lambda number, method, path, _: Answer(200 if path == "/lab" else 404)) as stub:
        assert a_store(stub.endpoint).find("a") is None
    with s3_stub(lambda *_: Answer(404)) as stub, pytest.raises(InvalidInput, match="bucket lab does not exist"):
        a_store(stub.endpoint).find("a")


def test_listing_leaves_out_folders_and_keys_that_lead_out():
    names = ["mouse/a.csv", "mouse/videos/", "mouse/../b", "mouse/videos/v.mp4"]
    contents = "".join(
        f"<Contents><Key>{name}</Key><Size>1</Size><ETag>&quot;t&quot;</ETag>"
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for name in names
    )
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    head = "<Name>lab</Name><IsTruncated>false</IsTruncated>"
    body = f'<ListBucketResult xmlns="{namespace}">{head}{contents}</ListBucketResult>'
    with s3_stub(lambda *_: Answer(200, body.encode())) as stub:
        assert [stored.key for stored in a_store(stub.endpoint).list()] == ["a.csv", "videos/v.mp4"]


def test_download_that_fails_leaves_nothing(tmp_path: Path):
    with s3_stub(lambda *_: s3_error(412, "PreconditionFailed")) as stub, pytest.raises(InvalidInput):
        a_store(stub.endpoint).download(StoredObject("a", 40 * 2**20, "t"), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_wrong_certificate_is_refused_at_once_with_the_remedy(tmp_path: Path):
    import ssl
    import threading

    from unit.trainer.store.certificates import self_signed

    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True)
                except (ssl.SSLError, OSError):
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        store = a_store(f"https://127.0.0.1:{server.getsockname()[1]}", seconds=0.1)
        with pytest.raises(InvalidInput, match=r"is not trusted .*storage\.caSecretRef"):
            store.read("a")
        thread.join(5)


RIGHT = b"x,y\n1,2\n"
TAG = f'"{hashlib.md5(RIGHT).hexdigest()}"'


def read_from(bodies: list[bytes], tag: str) -> tuple[bytes, int]:
    """What is read from a store that answers with these contents, one after the other, and how often it is asked."""
    with s3_stub(lambda number, *_: Answer(200, bodies[number], headers={"ETag": tag})) as stub:
        return a_store(stub.endpoint).read("a.csv"), len(stub.requests)


def test_content_that_was_damaged_on_its_way_is_read_again():
    assert read_from([b"x,y\n1,3\n", b"x,y\n9,2\n", RIGHT], TAG) == (RIGHT, 3)


def test_content_that_fits_its_tag_is_read_once():
    assert read_from([RIGHT], TAG) == (RIGHT, 1)


def test_a_tag_that_is_no_md5_says_nothing_of_the_content():
    assert read_from([RIGHT], '"0123-2"') == (RIGHT, 1)


def test_content_that_is_the_same_twice_is_believed_more_than_a_tag():
    assert read_from([RIGHT, RIGHT], f'"{"0" * 32}"') == (RIGHT, 2)


def test_a_store_that_only_damages_what_it_sends_does_not_answer():
    damaged = [b"%d" % number for number in range(50)]
    with (
        s3_stub(lambda number, *_: Answer(200, damaged[number % 50], headers={"ETag": TAG})) as stub,
        pytest.raises(StoreUnreachable, match="damaged on its way"),
    ):
        a_store(stub.endpoint, seconds=0.1).read("a.csv")
