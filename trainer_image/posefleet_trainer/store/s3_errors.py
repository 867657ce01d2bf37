"""Messages for the job's author: what an S3 store's error means, and how to correct it."""

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, S3Error, ServerError

from posefleet_trainer.errors import InvalidInput, StoreUnreachable, TrainerError
from posefleet_trainer.store.s3_http import CertificateRefused, NoAnswer, SpeaksPlainHttp

_CREDENTIALS = "the Secret that storage.credentialsSecretRef names"

_REMEDIES = {
    "NoSuchBucket": "{uri}: the bucket {bucket} does not exist at {endpoint}; create it or correct the URI",
    "NoSuchKey": "{uri} does not exist; upload it or correct the name",
    "AccessDenied": "{uri}: the store at {endpoint} denied to {action} it; "
    f"give the user of {_CREDENTIALS} that permission, or name another Secret",
    "InvalidAccessKeyId": "{uri}: the store at {endpoint} does not know the access key; "
    f"correct AWS_ACCESS_KEY_ID in {_CREDENTIALS}",
    "SignatureDoesNotMatch": "{uri}: the store at {endpoint} refused the signature; "
    f"correct AWS_SECRET_ACCESS_KEY in {_CREDENTIALS}",
    "InvalidToken": "{uri}: the store at {endpoint} refused the session token; "
    f"renew AWS_SESSION_TOKEN and its keys in {_CREDENTIALS}",
    "PreconditionFailed": "{uri} changed while it was read; wait until its upload has ended and apply the job again",
    "RequestTimeTooSkewed": "{uri}: the clocks of this node and of the store at {endpoint} differ too much; "
    "synchronise them (NTP)",
    "Region": "{uri}: the store at {endpoint} keeps the bucket in another region; set storage.region "
    "to the bucket's region and storage.endpoint to that region's address",
}
_SAME_AS = {
    "AllAccessDisabled": "AccessDenied",
    "AccountProblem": "AccessDenied",
    "ExpiredToken": "InvalidToken",
    "InvalidTokenId": "InvalidToken",
    "NoSuchBucketPolicy": "AccessDenied",
    "NotFound": "NoSuchKey",
    "PermanentRedirect": "Region",
    "TemporaryRedirect": "Region",
    "AuthorizationHeaderMalformed": "Region",
    "InvalidRegion": "Region",
}
#: Codes of requests that were signed for a region that is not the bucket's.
WRONG_REGION = frozenset(code for code, meaning in _SAME_AS.items() if meaning == "Region")


@dataclass(frozen=True)
class Request:
    """What was requested from which store, for use in a message."""

    uri: str
    bucket: str
    endpoint: str
    action: str
    """``read``, ``list``, ``write`` or ``delete``."""


#: Errors that ``explain`` accepts.
STORE_ERRORS = (
    S3Error,
    InvalidResponseError,
    ServerError,
    NoAnswer,
    CertificateRefused,
    SpeaksPlainHttp,
    # The S3 client raises these for an answer that is not XML, or not the expected XML.
    ParseError,
    ValueError,
)


def explain(error: Exception, request: Request) -> TrainerError:
    """Return the error to raise: its message names the URI, what is wrong and what to do, and contains no secret."""
    if isinstance(error, NoAnswer):
        return _unreachable(error, request)
    if isinstance(error, CertificateRefused):
        return InvalidInput(
            f"{request.uri}: the certificate of {request.endpoint} is not trusted ({error}); put the store's "
            "certificate authority as ca.crt into a Secret and name it in storage.caSecretRef"
        )
    if isinstance(error, SpeaksPlainHttp):
        return InvalidInput(
            f"{request.uri}: {request.endpoint} does not support https; write http:// in storage.endpoint"
        )
    if isinstance(error, S3Error):
        return refused(error.code or "", request)
    return _not_s3(error, request)


def _unreachable(error: NoAnswer, request: Request) -> StoreUnreachable:
    return StoreUnreachable(
        f"{request.uri} at {request.endpoint} did not answer for {error.seconds:.0f} s: {error.reason}; "
        "check that the store is up and that storage.endpoint is its address as seen from the cluster"
    )


def refused(code: str, request: Request) -> InvalidInput:
    """Return the error for a store's answer with the S3 error code ``code``."""
    template = _REMEDIES.get(_SAME_AS.get(code, code))
    if template is None:
        return InvalidInput(
            f"{request.uri}: the store at {request.endpoint} refused to {request.action} it ({code}); "
            "check storage and the URI"
        )
    return InvalidInput(template.format(**vars(request)))


def _not_s3(error: Any, request: Request) -> InvalidInput:
    if "HTTP request to an HTTPS server" in str(error):
        return InvalidInput(f"{request.uri}: {request.endpoint} speaks https; write https:// in storage.endpoint")
    return InvalidInput(
        f"{request.uri}: {request.endpoint} does not answer as an S3 store does; storage.endpoint must be the "
        "address of its S3 API (not of its web console)"
    )
