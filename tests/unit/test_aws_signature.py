"""Our signatures of AWS' requests are those of botocore, AWS' own library."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.testing.receiver import Receiver
from sink_workers.plugins.aws.signature import Signable, authorization
from sink_workers.plugins.aws.signing import AccessKey, Endpoint
from sink_workers.plugins.webhook.client import HttpClient, HttpRequest
from tests.support.webhooks import LOOPBACK

_VISIBLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
_NAMES = ("Content-Type", "Content-MD5", "X-Amz-Target", "User-Agent", "x-amz-object-lock-mode", "Expect")
_PATHS = st.text(alphabet="abz019-._~/%20?=&+:@ ", max_size=40)


def of_botocore(where: Endpoint, key: AccessKey, headers: Mapping[str, str], sent: HttpRequest) -> Mapping[str, str]:
    """What botocore makes of the same request, at the time that ``sent`` says."""
    request = AWSRequest(sent.method, sent.url, data=sent.body, headers=dict(headers))
    kind = S3SigV4Auth if where.service == "s3" else SigV4Auth
    with pytest.MonkeyPatch.context() as patch:
        now = datetime.strptime(sent.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
        patch.setattr("botocore.auth.get_current_datetime", lambda: now)
        kind(Credentials(key.id, key.secret, key.token), where.service, where.region).add_auth(request)
    return dict(request.headers.items())


@given(
    service=st.sampled_from(["s3", "kinesis", "sqs", "sts"]),
    url=st.sampled_from(
        [
            "https://s3.eu-central-1.amazonaws.com/",
            "http://127.0.0.1:4566/",
            "http://[::1]:9000/",
            "https://minio.example.com:443/under a/",
            "http://emulator:80/x/../y/",
        ]
    ),
    path=_PATHS,
    method=st.sampled_from(["GET", "PUT", "POST"]),
    headers=st.dictionaries(st.sampled_from(_NAMES), st.text(_VISIBLE, max_size=30)),
    body=st.binary(max_size=50),
    token=st.none() | st.text(alphabet="AZaz09+/=", min_size=1, max_size=40),
)
def test_a_request_is_signed_as_botocore_signs_it(
    service: str,
    url: str,
    path: str,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    token: str | None,
) -> None:
    where = Endpoint(service, "eu-central-1", url, is_operators=True)
    key = AccessKey("AKIAOFASUBSCRIBER001", "a/secret+of=40", token)

    sent = where.signed(key, headers, body, method=method, path=path)

    assert sent.headers == of_botocore(where, key, headers, sent)
    assert (sent.method, sent.url, sent.body) == (method, url + path, body)


@pytest.mark.parametrize("service", ["s3", "kinesis"])
def test_a_hash_of_the_body_that_is_known_makes_the_same_request(service: str) -> None:
    where = Endpoint(service, "eu-central-1", "https://example.com/", is_operators=False)
    key, body = AccessKey("AKIAOFASUBSCRIBER001", "a-secret"), b"a body"

    sent = where.signed(key, {}, body, payload=sha256(body).hexdigest())
    wrong = where.signed(key, {}, body, payload=sha256(b"another").hexdigest())

    assert sent.headers == of_botocore(where, key, {}, sent)
    assert wrong.headers != of_botocore(where, key, {}, wrong)


async def test_the_host_is_signed_as_it_is_sent() -> None:
    key, client = AccessKey("AKIAOFASUBSCRIBER001", "a-secret"), HttpClient(LOOPBACK)
    async with Receiver() as receiver:
        where = Endpoint("s3", "us-east-1", receiver.url.replace("127.0.0.1", "LocalHost"), is_operators=False)
        sent = where.signed(key, {}, b"")
        try:
            await client.exchange(sent)
        finally:
            await client.aclose()
        [got] = receiver.received

    empty = sha256().hexdigest()
    signed = Signable("POST", got.headers["Host"], "/hook", "", {"X-Amz-Content-SHA256": empty}, empty)
    now = datetime.strptime(sent.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    again = authorization(signed, key.id, key.secret, region="us-east-1", service="s3", now=now)
    assert got.headers["Authorization"] == again["Authorization"]
