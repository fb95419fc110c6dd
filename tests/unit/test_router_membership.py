"""Before a router joins its group again it looks who has its name: itself, nobody, or another process."""

import asyncio
import importlib
from collections.abc import Callable

import pytest
from aiokafka.consumer import consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

from router.faust_app.membership import Member, Name


class Group:
    """A member ``one`` of a group in which ``holder`` has its name; ``refuses``: what comes of joining."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, holder: str | None, refuses: KafkaError | None = None
    ) -> None:
        self.holder = holder
        self.asked = self.joined = 0
        self.taken = asyncio.Event()
        self._refuses = refuses
        self.closing = asyncio.get_running_loop().create_future()
        self.member = Member.__new__(Member)  # without the tasks in which the library's goes on
        self.member.member_id, self.member.generation = "one", 3
        self.member._rejoin_needed_fut, self.member._closing = asyncio.get_running_loop().create_future(), self.closing
        self.member.name = Name(self._ask, self.taken.set)
        monkeypatch.setattr(GroupCoordinator, "_do_rejoin_group", self._join)

    def _ask(self) -> str | None:
        self.asked += 1
        return self.holder

    async def _join(self, _: object) -> bool:
        self.joined += 1
        if self._refuses is not None:
            raise self._refuses
        return True

    async def gives_way(self) -> None:
        """See that it does, and says so, and does nothing more until it is closed."""
        joining = asyncio.create_task(self.member._do_rejoin_group(None))
        await self.taken.wait()
        assert not joining.done()
        self.closing.set_result(None)
        assert await joining is False


async def test_a_member_whose_name_another_process_has_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, holder="another")
    group.member.reset_generation()  # Kafka does not know it any more

    await group.gives_way()

    assert group.joined == 0


@pytest.mark.parametrize("holder", [None, "one"], ids=["silent for more than a session", "of an older generation"])
async def test_a_member_whose_name_nobody_else_has_joins_again(
    monkeypatch: pytest.MonkeyPatch, holder: str | None
) -> None:
    group = Group(monkeypatch, holder=holder)
    group.member.reset_generation()

    assert await group.member._do_rejoin_group(None)

    assert not group.taken.is_set()


async def test_a_member_whose_answer_was_lost_does_not_take_itself_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, holder=None)
    group.member.reset_generation()
    await group.member._do_rejoin_group(None)

    group.holder = "two"  # what it has become; it was not told
    assert await group.member._do_rejoin_group(None)

    assert (group.asked, group.joined) == (1, 2)


def known(member: Member) -> None:
    """It is a member, and its group shares out anew."""


def new(member: Member) -> None:
    member.member_id = ""


def nameless(member: Member) -> None:
    member.name = None
    member.reset_generation()


@pytest.mark.parametrize("state", [known, new, nameless])
async def test_nobody_is_asked_where_no_other_can_have_put_it_out(
    monkeypatch: pytest.MonkeyPatch, state: Callable[[Member], None]
) -> None:
    group = Group(monkeypatch, holder="another")
    state(group.member)

    assert await group.member._do_rejoin_group(None)

    assert group.asked == 0


async def test_a_member_that_is_put_out_while_it_joins_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    await Group(monkeypatch, holder="another", refuses=KafkaError("82")).gives_way()


async def test_other_errors_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(monkeypatch, holder="one", refuses=KafkaError("not authorised"))

    with pytest.raises(KafkaError, match="not authorised"):
        await group.member._do_rejoin_group(None)


def test_the_routers_client_is_such_a_member() -> None:
    importlib.import_module("router.faust_app.transport")
    assert consumer.GroupCoordinator is Member
