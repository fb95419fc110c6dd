"""What the parts of ``SinkContract`` have in common: how a test gets its rig, and how abilities are declared."""

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
    """To be overridden: ``sink_type`` and ``destination``; ``cannot`` and the rest where they do not fit.

    Attributes:
        sink_type: Of the plugin, which must be installed: it comes in by the same door as in a worker.
        cannot: Each ability that the destination does not offer, and why. Tests that need it are not there; one
            that names the declaration is there instead.
        unguarded: Why the destination guard need not be asked, such as that the operator says where the destination is;
            empty: it must be.
        patience_s: How long a test waits for what should be at once, such as the destination showing an event.
        deadline_s: How long a test may take, with all its waiting.
    """

    sink_type: ClassVar[str]
    cannot: ClassVar[Mapping[Ability, str]] = {}
    unguarded: ClassVar[str] = ""
    patience_s: ClassVar[float] = 10.0
    deadline_s: ClassVar[float] = 100.0

    def destination(self) -> AbstractAsyncContextManager[Destination]:
        """A new destination, of this test alone, that takes everything."""
        raise NotImplementedError(f"{type(self).__name__} must override destination()")

    def plugin(self) -> AnySinkPlugin:
        """The plugin under test."""
        return load_plugin(self.sink_type)

    def event(self, number: int, *, size: int = 0, attempt: int = 1) -> OutboundEvent:
        """The event with that number, of ``size`` bytes of JSON at least, such as the destination takes.

        Its data should keep ``events.CANARY``, by which leaks are found.
        """
        return outbound_event(number, size=size, attempt=attempt)

    def expected(self, event: OutboundEvent) -> object:
        """``Arrival.content`` of ``event``; the CloudEvent, parsed, unless overridden."""
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
    """Make a test of a coroutine function that takes a rig, and ``needed`` of its destination."""

    def decorate(function: Callable[[SuiteT, Rig], Awaitable[None]]) -> Callable[[SuiteT], None]:
        def test(self: SuiteT) -> None:
            __tracebackhide__ = True
            self.run(lambda rig: function(self, rig), *needed)

        # Not functools.wraps: pytest would look through it and ask for a fixture named ``rig``.
        test.__name__, test.__qualname__ = function.__name__, function.__qualname__
        test.__module__, test.__doc__ = function.__module__, function.__doc__
        setattr(test, _NEEDS, needed)
        return test

    return decorate


def _declaration(ability: Ability, reason: str) -> Callable[[ContractSuite], None]:
    """A test that stands in the report for those that are not there."""

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
