"""How the signing secret of a sink comes to be, is shown to its owner, and is followed by another. Pure."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.standard_webhooks import HMAC, MAX_PREVIOUS, PRIVATE, Scheme, encoded, read_secret

_HMAC_BYTES = 32  # as long as what SHA-256 makes of it


def show(config: WebhookConfig) -> Mapping[str, object] | None:
    """The secret where it is one that both sides have, else the public key; None without Standard Webhooks."""
    signing = config.standard_webhooks
    if signing is None or signing.secret is None:
        return None
    secret = signing.secret.get_secret_value()
    public = read_secret(secret).public
    return {
        "scheme": signing.scheme,
        **({"secret": secret} if public is None else {"public_key": public}),
        "previous": [
            {"scheme": read_secret(each.secret.get_secret_value()).scheme, "date_expires": _second(each.until)}
            for each in signing.previous
        ],
    }


def create(config: WebhookConfig) -> Mapping[str, object]:
    """``standard_webhooks`` with a secret of our making where it was asked for without one; else nothing."""
    signing = config.standard_webhooks
    if signing is None or signing.secret is not None:
        return {}
    given = signing.model_dump(mode="json", exclude_unset=True)
    return {"standard_webhooks": {**given, "secret": new_secret(signing.scheme)}}


def rotate(config: WebhookConfig, now: datetime, grace: timedelta) -> Mapping[str, object]:
    """``standard_webhooks`` with another secret; no older one signs for longer than ``grace`` from ``now``.

    Raises:
        ValueError: there are as many secrets in their grace time as can be.
    """
    signing = config.standard_webhooks
    assert signing is not None
    assert signing.secret is not None
    end = now + grace
    ages = [(signing.secret, end), *((each.secret, min(each.until, end)) for each in signing.previous)]
    previous = [(secret, until) for secret, until in ages if until > now]
    if len(previous) > MAX_PREVIOUS:
        soonest = _second(min(until for _, until in previous))
        raise ValueError(f"{MAX_PREVIOUS} earlier secrets still sign, the most there can be, until {soonest}")
    return {
        "standard_webhooks": {
            "scheme": signing.scheme,
            "secret": new_secret(signing.scheme),
            "previous": [
                {"secret": secret.get_secret_value(), "until": until.isoformat()} for secret, until in previous
            ],
        }
    }


def new_secret(scheme: Scheme) -> str:
    """Another secret, of the system's randomness."""
    if scheme == "v1":
        return HMAC + encoded(secrets.token_bytes(_HMAC_BYTES))
    private = Ed25519PrivateKey.generate()
    return PRIVATE + encoded(private.private_bytes_raw() + private.public_key().public_bytes_raw())


def _second(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
