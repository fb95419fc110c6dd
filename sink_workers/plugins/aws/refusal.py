"""An answer of AWS that is an error. Pure."""

from dataclasses import dataclass
from typing import Final

_NOT_LET_IN: Final = frozenset(  # the key, or its signature; a new key may be let in
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
MAX_CODE: Final = 100  # characters of a code: AWS' longest has half of that


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error: HTTP status, AWS' code for it, and the answer's start, without secrets."""

    status: int
    code: str
    answer: str

    @property
    def is_about_the_key(self) -> bool:
        """Whether it may be another one with another key."""
        return self.code in _NOT_LET_IN

    @property
    def words(self) -> str:
        """Status and code, in words of ours."""
        return f"HTTP {self.status} {self.code}".strip()
