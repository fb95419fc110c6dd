"""The common base of the parts of ``SinkContract``: how a test gets its rig, and how abilities are declared."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, TypeVar

import orjson
from typing_extensions import override

from eventstreams.sinks import OutboundEvent
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.contract.checks import must
from eventstreams.testing.contract.destination import ABILITIES, Ability, Destination, offers
from eventstreams.testing.contract.events import outbound_event
from eventstreams.testing.contract.rig import Rig
from eventstreams.testing.contract.watch import Watch, run_watched

GUARD_TEST = "test_nothing_is_sent_to_an_address_that_the_guard_forbids"
_NEEDS = "_contract_needs"


class ContractSuite:
    """Subclasses must override ``sink_type`` and ``destination``, and ``cannot`` and the rest as needed.

    Attributes:
        sink_type: The plugin's sink type. The plugin must be installed, as it is loaded in the same way as in a worker.
        cannot: Each ability that the destination does not offer, and why. Tests that need it are replaced by one that
            is named after the declaration.
        unguarded: Why the sink need not ask the destination guard, for instance because the operator configures the
            destination; empty if it must.
        patience_s: How long a test waits for what should happen at once, such as the destination showing an event.
        deadline_s: How long a test may take, including all waiting.
    """

    sink_type: ClassVar[str]
    cannot: ClassVar[Mapping[Ability, str]] = {}
    unguarded: ClassVar[str] = ""
    patience_s: ClassVar[float] = 10.0
    deadline_s: ClassVar[float] = 100.0

    def destination(self) -> AbstractAsyncContextManager[Destination]:
        """A new destination, for one test only, that accepts everything."""
        raise NotImplementedError(f"{type(self).__name__} must override destination()")

    def plugin(self) -> AnySinkPlugin:
        """The plugin under test."""
        return load_plugin(self.sink_type)

    def event(self, number: int, *, size: int = 0, attempt: int = 1) -> OutboundEvent:
        """The event with that number, of at least ``size`` bytes of JSON. Override it if the destination needs others.

        Its data should contain ``events.CANARY``, by which leaks are found.
        """
        return outbound_event(number, size=size, attempt=attempt)

    def expected(self, event: OutboundEvent) -> object:
        """The ``Arrival.content`` of ``event``: by default the parsed CloudEvent."""
        found: object = orjson.loads(event.json())
        return found

    @override
    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if unknown := cls.cannot.keys() - set(ABILITIES):
            raise TypeError(f"{cls.__name__}.cannot names {sorted(unknown)}; the abilities are {', '.join(ABILITIES)}")
        for name in dir(cls):
            needed: tuple[Ability, ...] = getattr(getattr(cls, name), _NEEDS, ())
            if any(ability in cls.cannot for ability in needed):
                setattr(cls, name, None)  # not a test any more
        declared = [_declaration(ability, reason) for ability, reason in cls.cannot.items()]
        if cls.unguarded:
            setattr(cls, GUARD_TEST, None)
            declared.append(_declaration_of_guard(cls.unguarded))
        for declaration in declared:
            setattr(cls, declaration.__name__, declaration)

    def run(self, test: Callable[[Rig], Awaitable[None]], *needed: Ability) -> None:
        """Run ``test`` with a rig of its own."""
        __tracebackhide__ = True

        async def main(watch: Watch) -> None:
            async with self.destination() as destination:
                for ability in needed:
                    must(offers(destination, ability), self._lacks(destination, ability))
                rig = Rig(self.plugin(), destination, watch, expected=self.expected, patience_s=self.patience_s)
                try:
                    await test(rig)
                finally:
                    await destination.heal()
                    await rig.aclose()

        run_watched(main, deadline_s=self.deadline_s)

    def _lacks(self, destination: Destination, ability: Ability) -> str:
        return (
            f"{type(destination).__name__} does not offer {ability}(): implement it, or declare "
            f"{type(self).__name__}.cannot = {{{ability!r}: 'the reason'}}"
        )


SuiteT = TypeVar("SuiteT", bound=ContractSuite)


def contract(
    *needed: Ability,
) -> Callable[[Callable[[SuiteT, Rig], Awaitable[None]]], Callable[[SuiteT], None]]:
    """Turn a coroutine function that takes a rig into a test; it needs the abilities ``needed`` of its destination."""

    def decorate(function: Callable[[SuiteT, Rig], Awaitable[None]]) -> Callable[[SuiteT], None]:
        def test(self: SuiteT) -> None:
            __tracebackhide__ = True
            self.run(lambda rig: function(self, rig), *needed)

        # Not functools.wraps: pytest would see the wrapped signature and ask for a fixture named ``rig``.
        test.__name__, test.__qualname__ = function.__name__, function.__qualname__
        test.__module__, test.__doc__ = function.__module__, function.__doc__
        setattr(test, _NEEDS, needed)
        return test

    return decorate


def _declaration(ability: Ability, reason: str) -> Callable[[ContractSuite], None]:
    """A test that represents, in the report, those that are left out."""

    def test(self: ContractSuite) -> None:
        async def look(rig: Rig) -> None:
            name = type(rig.destination).__name__
            must(bool(reason.strip()), f"{type(self).__name__}.cannot[{ability!r}] lacks its reason")
            must(not offers(rig.destination, ability), f"{name} offers {ability}(): take it out of cannot")

        self.run(look)

    test.__name__ = test.__qualname__ = f"test_declares_that_it_cannot_{ability}"
    test.__doc__ = reason
    return test


def _declaration_of_guard(reason: str) -> Callable[[ContractSuite], None]:
    """As ``_declaration``, where the guard need not be asked."""

    def test(self: ContractSuite) -> None:
        must(bool(reason.strip()), f"{type(self).__name__}.unguarded lacks its reason")

    test.__name__ = test.__qualname__ = "test_declares_that_it_asks_no_guard"
    test.__doc__ = reason
    return test
