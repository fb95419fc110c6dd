"""Creates, shows and rotates the signing secret of a sink. Pure."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.standard_webhooks import HMAC, MAX_PREVIOUS, PRIVATE, Scheme, encoded, read_secret

_HMAC_BYTES = 32  # as long as the output of SHA-256


def show(config: WebhookConfig) -> Mapping[str, object] | None:
    """The secret if it is shared (HMAC), else the public key; None without a Standard Webhooks secret."""
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
    """``standard_webhooks`` with a generated secret, if it was configured without one; else empty."""
    signing = config.standard_webhooks
    if signing is None or signing.secret is not None:
        return {}
    given = signing.model_dump(mode="json", exclude_unset=True)
    return {"standard_webhooks": {**given, "secret": new_secret(signing.scheme)}}


def rotate(config: WebhookConfig, now: datetime, grace: timedelta) -> Mapping[str, object]:
    """``standard_webhooks`` with a new secret. Older ones go on signing until ``now`` + ``grace`` at most.

    Raises:
        ValueError: too many earlier secrets are still in their grace period.
    """
    signing = config.standard_webhooks
    assert signing is not None
    assert signing.secret is not None
    end = now + grace
    ages = [(signing.secret, end), *((each.secret, min(each.until, end)) for each in signing.previous)]
    previous = [(secret, until) for secret, until in ages if until > now]
    if len(previous) > MAX_PREVIOUS:
        soonest = _second(min(until for _, until in previous))
        raise ValueError(
            f"{MAX_PREVIOUS} earlier secrets are still used for signing, which is the maximum, until {soonest}"
        )
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
    """Generate a secret from the system's randomness."""
    if scheme == "v1":
        return HMAC + encoded(secrets.token_bytes(_HMAC_BYTES))
    private = Ed25519PrivateKey.generate()
    return PRIVATE + encoded(private.private_bytes_raw() + private.public_key().public_bytes_raw())


def _second(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
