"""The destination of a sink as ``SinkContract`` needs it: it reports what arrived, and misbehaves on request.

To test a plugin, write one ``Destination``: a small fake of the real system, or the real system with switches. Only
``arrived`` and ``heal`` are required. Every other method is an *ability*; one that a destination does not offer is
declared in the suite's ``cannot``, with the reason, so that nobody believes that its tests have passed.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

Ability = Literal["refuse", "defer", "too_large", "go_down", "babble", "hang", "rotate"]
ABILITIES: Final[Sequence[Ability]] = get_args(Ability)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event that the destination has received.

    Attributes:
        id: The event's id.
        content: Everything that the destination has of it; compared with what ``SinkContract.expected`` returns.
    """

    id: str
    content: object


class Destination(ABC):
    """One destination under the control of a test.

    Attributes:
        config: ``SinkConfiguration`` as a subscriber would give it.
        secrets: Every secret part of ``config``, in each form in which it could leak.
        signing_tokens: The ones in ``SinkContext``. They are secrets too.
    """

    config: Mapping[str, object]
    secrets: Sequence[str] = ()
    signing_tokens: Sequence[str] = ("signing-token-of-the-contract",)

    @abstractmethod
    async def arrived(self) -> Sequence[Arrival]:
        """Every event that it has accepted so far; one that it has twice is listed twice."""

    @abstractmethod
    async def heal(self) -> None:
        """Stop misbehaving in any way. Keep the received events, and the new credentials after ``rotate``."""

    async def refuse(self, ids: Collection[str]) -> None:
        """Refuse the events with these ids for good, and accept their neighbours in the same batch."""
        raise NotImplementedError

    async def defer(self, ids: Collection[str]) -> None:
        """Fail temporarily for the events with these ids, and accept their neighbours in the same batch."""
        raise NotImplementedError

    def too_large(self) -> int:
        """The size of an event, in bytes of its JSON, from which on it is never accepted."""
        raise NotImplementedError

    async def go_down(self) -> None:
        """Accept nothing: answer with errors, or refuse connections."""
        raise NotImplementedError

    async def babble(self) -> None:
        """Accept nothing, and give answers that make no sense in its protocol."""
        raise NotImplementedError

    async def hang(self) -> asyncio.Event:
        """Receive deliveries and never answer. The event is set once one has come in; ``heal`` releases them."""
        raise NotImplementedError

    async def rotate(self) -> None:
        """Change the credentials: from now on accept only those that ``config`` and ``signing_tokens`` then have."""
        raise NotImplementedError


def offers(destination: Destination, ability: Ability) -> bool:
    """Whether the class of ``destination`` implements ``ability``."""
    return getattr(type(destination), ability) is not getattr(Destination, ability)
