"""The far end of a sink as ``SinkContract`` needs it: tells what arrived, and misbehaves when it is asked to.

Whoever tests a plugin writes one ``Destination``: a small fake of the real thing, or the real thing with a switch.
Only ``arrived`` and ``heal`` must be there. Each further method is an *ability*; one that a destination does not
offer is declared in the suite's ``cannot``, with the reason, so that nobody takes its tests for passed.
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
    """One event that the destination has.

    Attributes:
        id: The event's.
        content: All that the destination has of it; compared with what ``SinkContract.expected`` says.
    """

    id: str
    content: object


class Destination(ABC):
    """One destination under the control of a test.

    Attributes:
        config: ``SinkConfiguration`` as a subscriber would give it.
        secrets: Every part of ``config`` that nobody may see, in each form in which it could be seen.
        signing_tokens: What ``SinkContext`` carries. Secrets as well.
    """

    config: Mapping[str, object]
    secrets: Sequence[str] = ()
    signing_tokens: Sequence[str] = ("signing-token-of-the-contract",)

    @abstractmethod
    async def arrived(self) -> Sequence[Arrival]:
        """Every event that it has taken so far; one that it has twice is there twice."""

    @abstractmethod
    async def heal(self) -> None:
        """Behave well again, whatever was asked for before. It keeps what it has, and the new credentials."""

    async def refuse(self, ids: Collection[str]) -> None:
        """Refuse the events with these ids for good, and take their neighbours in the same batch."""
        raise NotImplementedError

    async def defer(self, ids: Collection[str]) -> None:
        """Fail for the events with these ids for now, and take their neighbours in the same batch."""
        raise NotImplementedError

    def too_large(self) -> int:
        """The size, in bytes of its JSON, from which on an event is never taken."""
        raise NotImplementedError

    async def go_down(self) -> None:
        """Take nothing: answer with errors, or with no connection at all."""
        raise NotImplementedError

    async def babble(self) -> None:
        """Take nothing, and answer what makes no sense in its protocol."""
        raise NotImplementedError

    async def hang(self) -> asyncio.Event:
        """Take deliveries in and never answer. The event is set once one has come in; ``heal`` lets all go."""
        raise NotImplementedError

    async def rotate(self) -> None:
        """Change the credentials: only what ``config`` and ``signing_tokens`` say afterwards is taken from now on."""
        raise NotImplementedError


def offers(destination: Destination, ability: Ability) -> bool:
    """Whether the class of ``destination`` has an implementation of its own."""
    return getattr(type(destination), ability) is not getattr(Destination, ability)
