"""The sink contract: what is wrong with a plugin as a value, and what a suite may declare that it cannot show."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from eventstreams.sinks import (
    Capabilities,
    Sink,
    SinkContext,
)
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.testing import Ability, Destination, SinkContract
from eventstreams.testing.contract.suite import GUARD_TEST
from tests.support.memory_contract import CANCELLED, DOWN, HANGS, SECRETS, MemoryContract, run
from tests.support.memory_sink import Memory, MemoryConfig, Mood, memory_plugin


class OpenToAnything(BaseModel):
    password: str


class ShowsWhatIsWrong(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: str


def shows_all(config: BaseModel) -> Mapping[str, object]:
    assert isinstance(config, MemoryConfig)
    return {"password": config.password.get_secret_value()}


UNKNOWN_KEY = "test_a_key_that_its_configuration_does_not_know_is_refused_by_name"
SHOWN = "test_what_the_api_shows_of_its_configuration_is_json_without_secrets"
FORMED = "test_its_plugin_is_installed_and_well_formed"
CAPABLE = "test_its_capabilities_make_sense"


@pytest.mark.parametrize(
    ("make", "test", "words"),
    [
        (lambda memory: memory_plugin(memory, config=OpenToAnything), UNKNOWN_KEY, 'extra="forbid"'),
        (lambda memory: memory_plugin(memory, config=OpenToAnything), SECRETS, r"repr\(\) of its configuration"),
        (lambda memory: memory_plugin(memory, config=ShowsWhatIsWrong), SECRETS, "hide_input_in_errors"),
        (lambda memory: replace(memory_plugin(memory), public=dict), SHOWN, "something that is not JSON"),
        (
            lambda memory: replace(memory_plugin(memory), public=shows_all),
            SHOWN,
            r"what public\(\) returns",
        ),
        (lambda memory: replace(memory_plugin(memory), sink_type="Memory!"), FORMED, "'Memory!' instead of 'memory'"),
        (lambda memory: replace(memory_plugin(memory), api_version=99), FORMED, "its api_version is 99"),
        (lambda memory: memory_plugin(memory, capabilities=Capabilities(timeout_s=0)), CAPABLE, "timeout_s is 0"),
        (
            lambda memory: memory_plugin(memory, capabilities=Capabilities(timeout_s=1, max_batch_events=0)),
            CAPABLE,
            "max_batch_events is 0",
        ),
    ],
    ids=["extra keys", "repr", "error", "not JSON", "shown", "sink type", "version", "timeout", "batch"],
)
def test_a_faulty_plugin_fails_the_test_for_its_fault(
    make: Callable[[Memory], AnySinkPlugin], test: str, words: str
) -> None:
    class Faulty(MemoryContract):
        @override
        def plugin(self) -> AnySinkPlugin:
            return make(self.memory)

    with pytest.raises(AssertionError, match=words):
        run(Faulty, test)


def test_what_open_raises_may_not_tell_a_secret_as_the_worker_logs_it() -> None:
    class Faulty(MemoryContract):
        @override
        def plugin(self) -> AnySinkPlugin:
            plugin = memory_plugin(self.memory)

            async def complain_when_down(config: BaseModel, context: SinkContext) -> Sink:
                if self.memory.mood is Mood.DOWN:
                    raise ConnectionError(f"not with {context.signing_tokens}")
                return await plugin.open(config, context)

            return replace(plugin, open=complain_when_down)

    with pytest.raises(AssertionError, match=r"the error that open\(\) raised"):
        run(Faulty, DOWN)


def test_a_plugin_that_is_not_installed_is_asked_for() -> None:
    class Lost(MemoryContract):
        sink_type = "lost"

        @override
        def plugin(self) -> AnySinkPlugin:
            return SinkContract.plugin(self)

    with pytest.raises(Exception, match="no sink plugin 'lost' is installed"):
        run(Lost, FORMED)


# -- declarations ------------------------------------------------------------------------------------------------


class Plain(Memory):
    """Offers nothing but to be down."""

    refuse = Destination.refuse
    defer = Destination.defer
    hang = Destination.hang


class PlainContract(MemoryContract):
    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        self.memory = Plain()
        yield self.memory


def names_of_tests(suite: type[SinkContract]) -> set[str]:
    return {name for name in dir(suite) if name.startswith("test_") and callable(getattr(suite, name))}


def test_an_ability_that_is_neither_offered_nor_declared_fails_its_tests() -> None:
    with pytest.raises(AssertionError, match=r"Plain does not offer hang\(\).*cannot = {'hang': 'the reason'}"):
        run(PlainContract, HANGS)


def test_a_declaration_stands_in_the_report_instead_of_the_tests_that_need_the_ability() -> None:
    class Declared(PlainContract):
        cannot: ClassVar[Mapping[Ability, str]] = {"hang": "no way to hold it"}

    gone = {
        name for name in names_of_tests(MemoryContract) if name in {HANGS, CANCELLED, "test_closing_ends_what_hangs"}
    }
    assert len(gone) == 3
    assert names_of_tests(Declared) == names_of_tests(MemoryContract) - gone | {"test_declares_that_it_cannot_hang"}
    run(Declared, "test_declares_that_it_cannot_hang")


def test_what_is_declared_must_not_be_offered() -> None:
    class Modest(MemoryContract):
        cannot: ClassVar[Mapping[Ability, str]] = {"refuse": "it can"}

    with pytest.raises(AssertionError, match=r"Memory offers refuse\(\): take it out of cannot"):
        run(Modest, "test_declares_that_it_cannot_refuse")


def test_a_declaration_needs_a_reason() -> None:
    class Silent(PlainContract):
        cannot: ClassVar[Mapping[Ability, str]] = {"hang": " "}

    with pytest.raises(AssertionError, match="lacks its reason"):
        run(Silent, "test_declares_that_it_cannot_hang")


def test_an_ability_that_does_not_exist_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="the abilities are refuse, defer"):

        class Odd(MemoryContract):
            cannot: ClassVar[Mapping[Ability, str]] = {"fly": "no wings"}  # type: ignore[dict-item]  # that is the fault


# -- the guard ---------------------------------------------------------------------------------------------------


class GuardedContract(SinkContract):
    """Says of the sink in memory, which asks no guard, that it must."""

    sink_type = "memory"
    memory: Memory

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        self.memory = Memory()
        yield self.memory

    @override
    def plugin(self) -> AnySinkPlugin:
        return memory_plugin(self.memory)


def test_a_sink_that_does_not_ask_the_guard_fails() -> None:
    with pytest.raises(AssertionError, match="the guard forbids every address, and the destination has an event"):
        run(GuardedContract, GUARD_TEST)


def test_a_sink_that_cannot_be_opened_where_the_guard_forbids_it_passes() -> None:
    class Careful(GuardedContract):
        @override
        def plugin(self) -> AnySinkPlugin:
            async def ask(config: BaseModel, context: SinkContext) -> Sink:
                context.guard.check("127.0.0.1")
                raise AssertionError("it was allowed")

            return replace(super().plugin(), open=ask)

    run(Careful, GUARD_TEST)


def test_a_sink_whose_destination_is_the_operators_says_so_in_the_report() -> None:
    assert names_of_tests(GuardedContract) - names_of_tests(MemoryContract) == {GUARD_TEST}
    assert names_of_tests(MemoryContract) - names_of_tests(GuardedContract) == {"test_declares_that_it_asks_no_guard"}
    run(MemoryContract, "test_declares_that_it_asks_no_guard")


def test_why_the_guard_need_not_be_asked_needs_a_reason() -> None:
    class Silent(MemoryContract):
        unguarded = " "

    with pytest.raises(AssertionError, match="unguarded lacks its reason"):
        run(Silent, "test_declares_that_it_asks_no_guard")
