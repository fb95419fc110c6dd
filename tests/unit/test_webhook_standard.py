"""Standard Webhooks: the specification's own library accepts what is sent, and secrets follow one another."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from eventstreams.sinks import Delivered
from eventstreams.testing.receiver import Receiver
from sink_workers.plugins.webhook import PLUGIN
from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.rotation import create, new_secret, rotate, show
from sink_workers.plugins.webhook.standard_webhooks import (
    MAX_PREVIOUS,
    Scheme,
    Signer,
    StandardWebhooksConfig,
    read_secret,
    webhook_id,
)
from tests.support.webhooks import context, deliver, event, opened

NOW = datetime(2026, 3, 29, 4, 1, 2, 987654, tzinfo=UTC)
URL = "https://h.example/x"
HMAC_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="


def configured(**signing: object) -> WebhookConfig:
    return WebhookConfig.model_validate({"destination": URL, "standard_webhooks": signing})


def changed(config: WebhookConfig, changes: Mapping[str, object]) -> WebhookConfig:
    """``config`` as it is read again after ``changes`` were stored."""
    return WebhookConfig.model_validate_json(json.dumps({"destination": config.destination, **changes}))


def secret_of(config: WebhookConfig) -> str:
    assert config.standard_webhooks is not None
    assert config.standard_webhooks.secret is not None
    return config.standard_webhooks.secret.get_secret_value()


def check_ed25519(public: str, headers: Mapping[str, str], body: bytes) -> None:
    """What a receiver does with ``whpk_…``.

    Raises:
        InvalidSignature: none of the signatures is right.
    """
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for each in headers["webhook-signature"].split():
        version, _, signature = each.partition(",")
        if version == "v1a":
            try:
                key.verify(base64.b64decode(signature), content)
            except InvalidSignature:
                continue
            return
    raise InvalidSignature


async def test_the_specifications_library_accepts_a_delivery() -> None:
    async with Receiver() as receiver:
        outcomes = await deliver(receiver.url, standard_webhooks={"secret": HMAC_SECRET})

    assert outcomes == [Delivered()]
    (received,) = receiver.received
    assert Webhook(HMAC_SECRET).verify(received.body, dict(received.headers))[0]["id"] == "EZ1"
    assert received.headers["webhook-id"] == "EZ1"
    assert "X-Twilio-Signature" in received.headers
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret("v1")).verify(received.body, dict(received.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(HMAC_SECRET).verify(received.body + b" ", dict(received.headers))


async def test_an_ed25519_delivery_is_checked_with_the_public_key() -> None:
    async with Receiver() as receiver:
        await deliver(receiver.url, standard_webhooks={"scheme": "v1a", "secret": PRIVATE})

    (received,) = receiver.received
    check_ed25519(PUBLIC, received.headers, received.body)
    with pytest.raises(InvalidSignature):
        check_ed25519(PUBLIC, received.headers, received.body + b" ")


def test_the_known_ed25519_vector_comes_out() -> None:
    key = read_secret(PRIVATE)

    content = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    assert key.public == PUBLIC
    assert key.sign(content) == (
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    )


def test_a_seed_alone_is_the_same_key() -> None:
    seed = "whsk_" + base64.b64encode(base64.b64decode(PRIVATE[5:])[:32]).decode()

    assert read_secret(seed).public == PUBLIC


def test_the_timestamp_is_that_of_the_attempt_in_whole_seconds() -> None:
    headers = Signer(StandardWebhooksConfig(secret=HMAC_SECRET)).headers(["EZ1"], b"[]", NOW)

    assert headers["webhook-timestamp"] == str(int(datetime(2026, 3, 29, 4, 1, 2, tzinfo=UTC).timestamp()))


def test_the_id_of_a_single_event_is_its_own() -> None:
    assert webhook_id(["EZ00000000000000000000000000000001"]) == "EZ00000000000000000000000000000001"


def test_the_id_of_a_batch_depends_on_its_events_alone() -> None:
    assert webhook_id(["EZ1", "EZ2"]) == webhook_id(["EZ1", "EZ2"])
    assert webhook_id(["EZ1", "EZ2"]).startswith("batch_")
    assert len({webhook_id(["EZ1", "EZ2"]), webhook_id(["EZ2", "EZ1"]), webhook_id(["EZ1"]), webhook_id([])}) == 4


@given(st.lists(st.text()))
def test_no_event_id_gets_out_of_its_place_in_what_is_signed(ids: list[str]) -> None:
    made = webhook_id(ids)

    assert made.isascii()
    assert made.isprintable()
    assert not set(made) & set(". \r\n,")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "hunter2-hunter2-hunter2-hunter2",
        "whsec_",
        "whsec_!!!",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsk_" + base64.b64encode(b"x" * 31).decode(),
        "whsk_" + base64.b64encode(b"x" * 64).decode(),
        PUBLIC,
        PRIVATE,
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        configured(secret=secret)

    said = str(caught.value) + repr(caught.value) + json.dumps(caught.value.errors(include_input=False), default=str)
    assert len(secret) <= len("whsec_") or secret not in said


def test_a_secret_is_in_no_repr_and_not_shown_with_the_sink() -> None:
    config = configured(secret=HMAC_SECRET, previous=[{"secret": HMAC_SECRET, "until": NOW.isoformat()}])

    assert HMAC_SECRET not in repr(config)
    assert HMAC_SECRET not in str(config)
    assert PLUGIN.public(config)["standard_webhooks"] == {"scheme": "v1", "secret": "********"}


def test_a_public_key_is_shown_with_the_sink() -> None:
    shown = PLUGIN.public(configured(scheme="v1a", secret=PRIVATE))

    assert shown["standard_webhooks"] == {"scheme": "v1a", "public_key": PUBLIC}


@pytest.mark.parametrize("scheme", ["v1", "v1a"])
def test_a_secret_is_made_where_none_was_given(scheme: Scheme) -> None:
    config = configured(scheme=scheme)

    made = changed(config, create(config))

    assert made.standard_webhooks is not None
    assert made.standard_webhooks.scheme == scheme
    assert secret_of(made) != secret_of(changed(config, create(config)))
    assert show(config) is None


def test_a_secret_that_was_given_is_kept_and_none_is_made_unasked() -> None:
    assert create(configured(secret=HMAC_SECRET)) == {}
    assert create(WebhookConfig(destination=URL)) == {}
    assert show(WebhookConfig(destination=URL)) is None


async def test_a_sink_without_its_secret_cannot_be_opened() -> None:
    with pytest.raises(ValueError, match="no secret"):
        await PLUGIN.open(configured(), context())


def test_the_owner_sees_the_secret_or_the_public_key() -> None:
    assert show(configured(secret=HMAC_SECRET)) == {"scheme": "v1", "secret": HMAC_SECRET, "previous": []}
    assert show(configured(scheme="v1a", secret=PRIVATE)) == {"scheme": "v1a", "public_key": PUBLIC, "previous": []}


async def test_while_the_grace_time_lasts_receivers_with_either_secret_accept() -> None:
    old = configured(secret=HMAC_SECRET)
    new = changed(old, rotate(old, datetime.now(UTC), timedelta(hours=1)))

    async with Receiver() as receiver:
        signing = json.loads(json.dumps(rotate(old, datetime.now(UTC), timedelta(hours=1))["standard_webhooks"]))
        async with opened(receiver.url, standard_webhooks=signing) as sink:
            await sink.deliver([event()])
    (received,) = receiver.received
    for secret in (HMAC_SECRET, signing["secret"]):
        Webhook(secret).verify(received.body, dict(received.headers))
    assert secret_of(new) != HMAC_SECRET


def test_after_the_grace_time_the_new_secret_alone_signs() -> None:
    old = configured(secret=HMAC_SECRET)
    new = changed(old, rotate(old, NOW, timedelta(hours=1)))
    assert new.standard_webhooks is not None
    signer = Signer(new.standard_webhooks)

    before = signer.headers(["EZ1"], b"[]", NOW + timedelta(minutes=59))["webhook-signature"]
    after = signer.headers(["EZ1"], b"[]", NOW + timedelta(minutes=61))["webhook-signature"]

    assert (len(before.split()), len(after.split())) == (2, 1)


def test_an_ed25519_key_is_followed_by_another() -> None:
    old = configured(scheme="v1a", secret=PRIVATE)
    new = changed(old, rotate(old, NOW, timedelta(hours=1)))
    assert new.standard_webhooks is not None

    headers = Signer(new.standard_webhooks).headers(["EZ1"], b"[]", NOW)

    shown = show(new)
    assert shown is not None
    check_ed25519(PUBLIC, headers, b"[]")
    check_ed25519(str(shown["public_key"]), headers, b"[]")
    assert shown["public_key"] != PUBLIC
    assert shown["previous"] == [{"scheme": "v1a", "date_expires": "2026-03-29T05:01:02Z"}]


def test_without_grace_no_older_secret_signs_any_more() -> None:
    config = configured(secret=HMAC_SECRET)
    config = changed(config, rotate(config, NOW, timedelta(days=7)))
    config = changed(config, rotate(config, NOW, timedelta(0)))

    assert config.standard_webhooks is not None
    assert config.standard_webhooks.previous == ()


def test_a_rotation_never_lengthens_the_grace_of_an_older_secret() -> None:
    config = configured(secret=HMAC_SECRET)
    config = changed(config, rotate(config, NOW, timedelta(hours=1)))
    config = changed(config, rotate(config, NOW, timedelta(hours=9)))

    assert config.standard_webhooks is not None
    assert [each.until - NOW for each in config.standard_webhooks.previous] == [timedelta(hours=9), timedelta(hours=1)]


def test_more_rotations_than_can_be_are_refused_with_the_time_when_they_can() -> None:
    config = configured(secret=HMAC_SECRET)
    for _ in range(MAX_PREVIOUS):
        config = changed(config, rotate(config, NOW, timedelta(hours=1)))

    with pytest.raises(ValueError, match="2026-03-29T05:01:02Z"):
        rotate(config, NOW, timedelta(hours=1))
    assert rotate(config, NOW + timedelta(hours=1), timedelta(hours=1))
