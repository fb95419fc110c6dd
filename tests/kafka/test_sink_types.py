"""Sinks can be made of the types that the operator runs workers for."""

import pytest

from eventstreams.settings import Settings
from tests.support.api import WEBHOOK, Api, refusal, serving
from tests.support.installation import SENT, Installation

pytestmark = pytest.mark.kafka


async def test_a_type_without_workers_is_refused_and_the_others_are_named(settings: Settings) -> None:
    offering = settings.model_copy(update={"sink_types": ("webhook", "sqs")})
    async with Installation(offering) as installation, serving(offering) as url:
        api = Api(installation, url)
        segment = {"description": "x", "sink_type": "segment", "sink_configuration": {"write_key": "k"}}

        made = await api.sink()
        error = await refusal(lambda: api.client.events.v1.sinks.create(**segment))

    assert made.status == "active"
    assert (error.status, error.code) == (400, 91000)
    assert error.msg.endswith(
        "Sink not created: this installation runs no workers for segment sinks; SinkType must be one of sqs, webhook"
    )


async def test_where_no_workers_run_no_sink_is_made(settings: Settings) -> None:
    offering = settings.model_copy(update={"sink_types": ()})
    async with Installation(offering) as installation, serving(offering) as url:
        error = await refusal(
            lambda: Api(installation, url).client.events.v1.sinks.create("x", WEBHOOK, sink_type="webhook")
        )

    assert (error.status, error.code) == (400, 91000)
    assert error.msg.endswith("this installation runs no workers for webhook sinks; no sinks can be created here")


async def test_a_sink_of_a_type_that_has_no_workers_any_more_is_not_subscribed(settings: Settings) -> None:
    async with Installation(settings) as installation:
        async with serving(settings) as url:
            sink = await Api(installation, url).sink(sink_type="segment", sink_configuration={"write_key": "k"})

        async with serving(settings.model_copy(update={"sink_types": ("webhook",)})) as url:
            wanted = {"description": "x", "sink_sid": sink.sid, "types": [{"type": SENT}]}
            error = await refusal(lambda: Api(installation, url).client.events.v1.subscriptions.create(**wanted))

    assert (error.status, error.code) == (400, 91101)
    assert error.msg.endswith("is of type segment, but no worker delivers to that type here")


async def test_a_type_whose_plugin_workers_alone_have_is_refused_and_all_else_goes_on(settings: Settings) -> None:
    offering = settings.model_copy(update={"sink_types": ("webhook", "pigeon")})
    async with Installation(offering) as installation, serving(offering) as url:
        api = Api(installation, url)

        error = await refusal(lambda: api.client.events.v1.sinks.create("x", {"loft": "north"}, sink_type="pigeon"))
        made = await api.sink()

    assert (error.status, error.code) == (400, 91000)
    assert error.msg.endswith(
        "Sink not created: this installation runs workers for pigeon sinks, but their plugin is not installed "
        "alongside the API, which its operator must fix; SinkType must be one of webhook"
    )
    assert made.status == "active"
