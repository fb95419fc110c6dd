"""An error that AWS answered. Pure."""

from dataclasses import dataclass
from typing import Final

_NOT_LET_IN: Final = frozenset(  # codes about the key or its signature: a new key may be accepted
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
MAX_CODE: Final = 100  # characters of a code: AWS's longest has half of that


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that AWS answered: the HTTP status, AWS's code, and the start of the answer without secrets."""

    status: int
    code: str
    answer: str

    @property
    def is_about_the_key(self) -> bool:
        """Whether another key might be accepted."""
        return self.code in _NOT_LET_IN

    @property
    def words(self) -> str:
        """The status and code as text."""
        return f"HTTP {self.status} {self.code}".strip()
