"""Whether a delivery is signed as its sink must sign: asked of the libraries that receivers of both schemes use."""

from collections.abc import Mapping

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from twilio.request_validator import RequestValidator

_HEADER = "X-Twilio-Signature"
_BODY_HASH = "bodySHA256="


class SignatureCheck:
    """Of one sink."""

    def __init__(self, auth_token: str, standard_secret: str | None) -> None:
        """A check.

        Args:
            auth_token: The account's.
            standard_secret: ``whsec_…`` of the sink; None where it signs in the one scheme alone.
        """
        self._twilio = RequestValidator(auth_token)
        self._standard = None if standard_secret is None else Webhook(standard_secret)

    def problem(self, url: str, headers: Mapping[str, str], body: bytes) -> str | None:
        """What is wrong with the signatures of a request to ``url``, as the sink has it; None: nothing."""
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return "the body is not UTF-8"
        if _BODY_HASH not in url:  # without it the library would take the body for a form, and not look at it
            return "the URL has no hash of the body"
        if not self._twilio.validate(url, text, headers.get(_HEADER, "")):
            return f"{_HEADER} does not match the account's token for this URL and body"
        if self._standard is not None:
            try:
                self._standard.verify(body, dict(headers), json_parse=False)
            except (WebhookVerificationError, ValueError) as error:
                return f"the Standard Webhooks signature is wrong: {error}"
        return None
