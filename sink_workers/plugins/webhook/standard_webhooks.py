"""Standard Webhooks (https://www.standardwebhooks.com): its secrets and signature headers. Pure."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
HMAC: Final = "whsec_"
PRIVATE: Final = "whsk_"
PUBLIC: Final = "whpk_"
MAX_PREVIOUS: Final = 4  # each signs every request; more than even hasty rotations need

_HMAC_BYTES: Final = range(24, 65)  # the specification's bounds
_SEED_BYTES: Final = 32
_PAIR_BYTES: Final = 64  # seed and public half: the form that Svix, the author of the specification, uses
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_:@/+=~-]{1,128}")  # no dot: it ends the id in what is signed

Scheme = Literal["v1", "v1a"]


@dataclass(frozen=True, slots=True)
class Key:
    """A parsed secret.

    Attributes:
        scheme: ``v1`` is HMAC-SHA256, ``v1a`` Ed25519.
        sign: Returns the signature of some content, prefixed with the scheme.
        public: The public key that receivers verify with; None if they need the secret itself.
    """

    scheme: Scheme
    sign: Callable[[bytes], str]
    public: str | None


def read_secret(text: str) -> Key:
    """Parse a secret.

    Raises:
        ValueError: ``text`` is not a secret. The message contains nothing of it.
    """
    if text.startswith(HMAC):
        secret = _decoded(text.removeprefix(HMAC))
        if secret is None or len(secret) not in _HMAC_BYTES:
            raise ValueError(f"it must be {HMAC} and 24 to 64 bytes in base64")
        return Key("v1", _hmac_signer(secret), None)
    if text.startswith(PRIVATE):
        pair = _decoded(text.removeprefix(PRIVATE))
        if pair is None or len(pair) not in {_SEED_BYTES, _PAIR_BYTES}:
            raise ValueError(f"it must be {PRIVATE} and an Ed25519 key in base64: 32 bytes, or 64 with its public half")
        private = Ed25519PrivateKey.from_private_bytes(pair[:_SEED_BYTES])
        public = private.public_key().public_bytes_raw()
        if pair[_SEED_BYTES:] not in {b"", public}:
            raise ValueError("its public half does not belong to its private half")
        return Key("v1a", lambda content: f"v1a,{encoded(private.sign(content))}", PUBLIC + encoded(public))
    raise ValueError(f"it must begin with {HMAC} (scheme v1) or {PRIVATE} (scheme v1a)")


def _hmac_signer(secret: bytes) -> Callable[[bytes], str]:
    keyed = hmac.new(secret, digestmod="sha256")  # prepared once, not for each request

    def sign(content: bytes) -> str:
        mac = keyed.copy()
        mac.update(content)
        return f"v1,{encoded(mac.digest())}"

    return sign


def encoded(key: bytes) -> str:
    """``key`` in base64."""
    return base64.b64encode(key).decode()


def _readable(secret: SecretStr) -> SecretStr:
    read_secret(secret.get_secret_value())
    return secret


Secret = Annotated[SecretStr, AfterValidator(_readable)]


class PreviousSecret(BaseModel):
    """A secret that was followed by another, and signs beside it for a while."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secret: Secret
    until: AwareDatetime


class StandardWebhooksConfig(BaseModel):
    """Which secrets to sign with."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    scheme: Annotated[Scheme, Field(description="`v1`: HMAC-SHA256. `v1a`: Ed25519.")] = "v1"
    secret: Annotated[
        Secret | None,
        Field(description="Secret for the scheme. If omitted, one is generated when the sink is created."),
    ] = None
    previous: Annotated[
        tuple[PreviousSecret, ...],
        Field(
            max_length=MAX_PREVIOUS,
            description="Earlier secrets, which are also used for signing until their time, newest first: "
            '`[{"secret": "…", "until": "…"}]`.',
        ),
    ] = ()

    @model_validator(mode="after")
    def _secret_fits(self) -> Self:
        if self.key is not None and self.key.scheme != self.scheme:
            right = HMAC if self.scheme == "v1" else PRIVATE
            raise ValueError(f"a secret of the scheme {self.scheme} begins with {right}")
        return self

    @property
    def key(self) -> Key | None:
        """The parsed ``secret``."""
        return None if self.secret is None else read_secret(self.secret.get_secret_value())

    def public(self, hidden: str) -> dict[str, object]:
        """What everybody who can see the sink may see, with ``hidden`` in place of the secret."""
        key = self.key
        if key is None or key.public is None:
            return {"scheme": self.scheme, "secret": hidden}
        return {"scheme": self.scheme, "public_key": key.public}


class Signer:
    """Makes the signature headers for one sink."""

    def __init__(self, config: StandardWebhooksConfig) -> None:
        """Use the secrets of ``config``.

        Raises:
            ValueError: there is no secret in it.
        """
        if config.key is None:
            raise ValueError("standard_webhooks has no secret: the API generates one when it creates the sink")
        self._key = config.key
        self._previous = [(each.until, read_secret(each.secret.get_secret_value())) for each in config.previous]

    def headers(self, ids: Sequence[str], body: bytes, now: datetime) -> Mapping[str, str]:
        """The three headers for ``body``, which has the events ``ids``, signed at ``now``, which is timezone-aware."""
        stamp, message_id = str(int(now.timestamp())), webhook_id(ids)
        content = b"%b.%b.%b" % (message_id.encode(), stamp.encode(), body)
        keys = [self._key, *(key for until, key in self._previous if until > now)]
        return {ID: message_id, TIMESTAMP: stamp, SIGNATURE: " ".join(key.sign(content) for key in keys)}


def webhook_id(ids: Sequence[str]) -> str:
    """The id of a request with the events ``ids``, the same at each attempt: a single event's own id if possible.

    The id goes into a header, and into what is signed, where it ends at the first dot. An id that is unsuitable for
    that is replaced by its hash.
    """
    if len(ids) == 1 and _PLAIN_ID.fullmatch(ids[0]):
        return ids[0]
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()[:32]
    return f"{'event' if len(ids) == 1 else 'batch'}_{digest}"


def _decoded(text: str) -> bytes | None:
    """Decode ``text``, base64 with or without padding; None if it is something else."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
