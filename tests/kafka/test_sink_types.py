"""Sinks can be made of the types that the operator runs workers for."""

import pytest

from control_api.role import check_sink_types
from eventstreams.errors import SettingsError
from eventstreams.settings import Settings
from tests.support.api import Api, refusal, serving
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
    assert error.msg.endswith("SinkType must be one of sqs, webhook")


async def test_a_sink_of_a_type_that_has_no_workers_any_more_is_not_subscribed(settings: Settings) -> None:
    async with Installation(settings) as installation:
        async with serving(settings) as url:
            sink = await Api(installation, url).sink(sink_type="segment", sink_configuration={"write_key": "k"})

        async with serving(settings.model_copy(update={"sink_types": ("webhook",)})) as url:
            wanted = {"description": "x", "sink_sid": sink.sid, "types": [{"type": SENT}]}
            error = await refusal(lambda: Api(installation, url).client.events.v1.subscriptions.create(**wanted))

    assert (error.status, error.code) == (400, 91101)
    assert error.msg.endswith("is of type segment, and nothing delivers to that type here")


def test_a_type_that_is_not_installed_ends_the_api_with_a_sentence() -> None:
    with pytest.raises(SettingsError, match="EVENTSTREAMS_SINK_TYPES: no sink plugin 'pigeon' is installed; there are"):
        check_sink_types(["webhook", "pigeon"], ["webhook", "kinesis"])
