"""What the audit trail says of each write, in words."""

import re
from collections.abc import Sequence

import pytest
from aiohttp import hdrs

from control_api.audit.descriptions import DESCRIPTIONS, WriteDescription, describe
from control_api.audit.entry import ActorType, AuditEvent
from control_api.operations import ALL

SINK = "DG" + "1" * 32
NAMES = {SINK: "orders"}


def event(
    method: str, route: str, *, sid: str | None = SINK, status: int | None = 200, fields: Sequence[str] = ()
) -> AuditEvent:
    return AuditEvent(
        sid="AE" + "0" * 32,
        at_ms=0,
        actor_type=ActorType.ACCOUNT,
        actor_sid=None,
        accounts=(),
        method=method,
        route=route,
        resource_sid=sid,
        fields=tuple(fields),
        source="",
        status=status,
    )


def test_every_write_has_words_and_nothing_else_has() -> None:
    writes = {f"{each.method} {each.path}" for each in ALL if each.method != hdrs.METH_GET}

    assert writes == set(DESCRIPTIONS)


@pytest.mark.parametrize("description", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_both_tenses_speak_of_the_same_thing(description: WriteDescription) -> None:
    assert description.asked.count("{}") == description.done.count("{}") <= 1
    assert re.fullmatch(r"[a-z].*[^.]", description.asked)
    assert re.fullmatch(r"[a-z].*[^.]", description.done)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (event("POST", "/v1/Sinks", status=201), f"created sink 'orders' ({SINK})"),
        (event("POST", "/v1/Sinks", sid=None, status=400), "asked to create a sink"),
        (event("POST", "/v1/Keys", sid=None, status=None), "asked to create an API key"),
        (event("DELETE", "/v1/Sinks/{sid}", status=204), f"deleted sink 'orders' ({SINK})"),
        (event("DELETE", "/v1/Sinks/{sid}", sid="DG2", status=404), "asked to delete sink DG2"),
        (event("POST", "/v1/Sinks/{sid}/Delivery", fields=["Paused"]), f"paused or resumed sink 'orders' ({SINK})"),
        (
            event("POST", "/v1/Sinks/{sid}/Delivery", fields=["Paused", "RateLimit"]),
            f"changed how events are delivered to sink 'orders' ({SINK})",
        ),
        (
            event("DELETE", "/v1/Subscriptions/{sid}/SubscribedEvents/{type}", sid="com.acme.x"),
            "removed com.acme.x from a subscription",
        ),
        (event("POST", "/v1/FilterPreviews", sid=None), "previewed a filter"),
        (event("PATCH", "/v9/Of/A/Later/{release}"), "PATCH /v9/Of/A/Later/{release}"),
    ],
)
def test_a_write_is_said_in_words_and_one_that_is_not_known_by_its_path(made: AuditEvent, wanted: str) -> None:
    assert describe(made, lambda sid: NAMES.get(sid, "")) == wanted
