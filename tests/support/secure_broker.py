"""A broker that requires authentication: a password, a token or a certificate, over TLS."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from eventstreams.local.kafka import make_broker
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings
from eventstreams.testing.broker import RunningBroker
from eventstreams.testing.certificates import CertificateAuthority

USER: Final = "eventstreams"
PASSWORD: Final = "a password; with 'signs' \\ of its own"
CLIENT_SECRET: Final = "the-secret"
AUDIENCE: Final = "kafka"
_SECURITY: Final = "org.apache.kafka.common.security"
_PROPERTIES: Final = """
listeners={outside},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={outside}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,MUTUAL:SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/authority.pem
listener.name.mutual.ssl.client.auth=required
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl.plain.sasl.jaas.config={security}.plain.PlainLoginModule required user_{user}="{password}";
listener.name.sasl.scram-sha-256.sasl.jaas.config={security}.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config={security}.scram.ScramLoginModule required;
listener.name.sasl.oauthbearer.sasl.jaas.config={oauth}.OAuthBearerLoginModule required;
listener.name.sasl.oauthbearer.sasl.server.callback.handler.class={oauth}.OAuthBearerValidatorCallbackHandler
listener.name.sasl.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={keys}
listener.name.sasl.oauthbearer.sasl.oauthbearer.expected.audience={audience}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:CN=router.example
"""


@dataclass(frozen=True, slots=True)
class SecureBroker:
    """Where it listens, and what its clients need."""

    plain: str
    sasl: str
    mutual: str
    authority: Path
    certificate: Path
    key: Path


class TokenGiver:
    """Issues tokens for client credentials, and publishes the key that verifies them."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.given = 0

    def jwks(self) -> str:
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True) | {"kid": "k", "use": "sig", "alg": "RS256"}
        return web.json_response({"keys": [key]}).text or ""

    async def token(self, request: web.Request) -> web.Response:
        """Issue a token as in RFC 6749 §4.4; the secret is ``CLIENT_SECRET``."""
        if request.headers["Authorization"] != encode_basic_auth(USER, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        self.given += 1
        now = int(time.time())
        claims = {"sub": USER, "aud": AUDIENCE, "iat": now, "exp": now + 300}
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "k"})
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 300})


@asynccontextmanager
async def giving_tokens(giver: TokenGiver) -> AsyncIterator[str]:
    """Run a token server; yields its address."""
    app = web.Application()
    app.router.add_post("/token", giver.token)
    async with TestServer(app) as server:
        yield str(server.make_url("/token"))


@contextmanager
def running_secure_broker(folder: Path, giver: TokenGiver) -> Iterator[SecureBroker]:
    """Run the broker until the block ends. It accepts the tokens of ``giver``."""
    folder.mkdir(exist_ok=True)
    authority = CertificateAuthority.new()
    (folder / "authority.pem").write_text(authority.pem)
    pair = authority.issue("127.0.0.1")
    (folder / "broker.pem").write_text(pair.key + pair.certificate)
    certificate, key = authority.issue("router.example").write(folder)
    keys = folder / "keys.json"
    keys.write_text(giver.jwks())
    port, sasl, mutual, controller = free_ports(4)
    escaped = PASSWORD.replace("\\", "\\\\").replace('"', '\\"').replace("\\", "\\\\")  # for JAAS, then for properties
    properties = _PROPERTIES.format(
        outside=f"PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},MUTUAL://127.0.0.1:{mutual}",
        controller=controller,
        security=_SECURITY,
        oauth=f"{_SECURITY}.oauthbearer",
        folder=folder,
        user=USER,
        password=escaped,
        keys=keys.as_uri(),
        audience=AUDIENCE,
    )
    users = [f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys.as_uri()}")
        broker = make_broker(
            folder / "kafka",
            port=port,
            controller_port=controller,
            cache=Settings.load().cache_dir,
            properties=properties,
            format_options=[option for user in users for option in ("--add-scram", user)],
        )
        running = RunningBroker(broker)
        running.start()
    try:
        yield SecureBroker(
            running.bootstrap,
            f"127.0.0.1:{sasl}",
            f"127.0.0.1:{mutual}",
            folder / "authority.pem",
            certificate,
            key,
        )
    finally:
        running.stop()
