"""Checks a delivery's signatures with the same libraries that receivers of the two schemes use."""

from collections.abc import Mapping

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from twilio.request_validator import RequestValidator

_HEADER = "X-Twilio-Signature"
_BODY_HASH = "bodySHA256="


class SignatureCheck:
    """Checks the signatures of one sink."""

    def __init__(self, auth_token: str, standard_secret: str | None) -> None:
        """A check.

        Args:
            auth_token: The account's auth token.
            standard_secret: The sink's ``whsec_…`` secret; None if it does not sign by Standard Webhooks.
        """
        self._twilio = RequestValidator(auth_token)
        self._standard = None if standard_secret is None else Webhook(standard_secret)

    def problem(self, url: str, headers: Mapping[str, str], body: bytes) -> str | None:
        """What is wrong with the signatures of a request; None if nothing. ``url`` is the one that the sink called."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return "the body is not UTF-8"
        if _BODY_HASH not in url:  # without it the library would treat the body as a form and not check it
            return "the URL has no hash of the body"
        if not self._twilio.validate(url, text, headers.get(_HEADER, "")):
            return f"{_HEADER} does not match the account's token for this URL and body"
        if self._standard is not None:
            try:
                self._standard.verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError) as error:
                return f"the Standard Webhooks signature is wrong: {error}"
        return None
