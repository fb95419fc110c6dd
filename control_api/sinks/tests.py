"""``/v1/Sinks/{Sid}/Test`` and ``/Validate``: sends a test event to a sink, and accepts the proof of its arrival."""

import hmac
import uuid
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.http.answers import json_answer
from control_api.http.codes import Code, refused
from control_api.http.declared import One, Operation, refused_with, text
from control_api.http.forms import read_form
from control_api.plane import PLANE, ControlPlane
from control_api.sinks import resource as sinks
from eventstreams.catalog import Catalog
from eventstreams.client import reference as models
from eventstreams.codec import Codec
from eventstreams.control.records import SinkRecord, SinkStatus
from eventstreams.control.sink_tests import event_of_test
from eventstreams.control.vault import Purpose
from eventstreams.errors import TopicError
from eventstreams.events import Event
from eventstreams.headers import event_headers, routed_headers
from eventstreams.http.limits import RateLimiter, too_often
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer, NotAcked
from eventstreams.times import Clock
from eventstreams.topics import Topics

TEST_PATH: Final = f"{sinks.PATH}/{{sid}}/Test"
VALIDATE_PATH: Final = f"{sinks.PATH}/{{sid}}/Validate"
_MILLISECOND: Final = timedelta(milliseconds=1)
# Tests per customer to destinations that may belong to somebody else who has not agreed yet: they could be spam.
_UNASKED_AN_HOUR: Final = 10
_HOUR_S: Final = 3600
_MOST_CUSTOMERS: Final = 10_000


class SinkTester:
    """Sends events for one sink to the sink workers, on the test topic of its type."""

    def __init__(
        self,
        producer: AckedProducer,
        *,
        admin: KafkaAdmin,
        topics: Topics,
        catalog: Catalog,
        codec: Codec,
        ttl: timedelta,
        clock: Clock,
    ) -> None:
        self._producer = producer
        self._admin = admin
        self._topics = topics
        self._catalog = catalog
        self._codec = codec
        self._ttl_ms = ttl // _MILLISECOND
        self._clock = clock
        self._unasked = RateLimiter(per_s=_UNASKED_AN_HOUR / _HOUR_S, burst=_UNASKED_AN_HOUR, most_keys=_MOST_CUSTOMERS)

    def admit_unasked(self, customer: str) -> None:
        """Count a test to a destination whose owner may not have agreed to it.

        Raises:
            RefusedError: ``customer`` has used up its tests of the last hour.
        """
        wait_s = self._unasked.take(customer)
        if wait_s > 0:
            text = (
                f"No test event was sent: at most {_UNASKED_AN_HOUR} per hour may go to sinks that have yet to "
                "be validated"
            )
            raise too_often(text, wait_s=wait_s)

    async def submit(self, sink: SinkRecord, event: Event) -> None:
        """Send ``event`` to ``sink``; return once Kafka has acknowledged it.

        Raises:
            InvalidEventError: its data does not fit its schema.
            TopicError: Kafka did not acknowledge it; it may still be delivered.
        """
        version = event.schema_version
        found = self._catalog.schemas[self._catalog.types[event.type].schema_id]
        schema = found.latest if version is None else found.versions[version - 1]
        now_ms = self._clock()
        headers = routed_headers(
            event_headers(event, dataschema=self._codec.dataschema(schema)),
            accepted_at_ms=now_ms,
            deadline_ms=now_ms + self._ttl_ms,
            subscription_sid=sink.sid,
        )
        await self._admin.ensure([self._topics.test_spec(sink.sink_type)])  # its worker may never have run
        topic = self._topics.test(sink.sink_type)
        value = self._codec.encode(schema, event.data)
        answer = await self._producer.send(topic, value, key=sink.sid.encode(), headers=headers)
        if isinstance(answer, NotAcked):
            raise TopicError(f"Kafka did not accept an event for a sink on {topic}: {answer.text}")


TESTER: Final = web.AppKey("tester", SinkTester)


async def test(request: web.Request) -> web.Response:
    """CreateSinkTest: answered once Kafka has the event. Its outcome is in the delivery log.

    If sinks must be validated, the id is written before the event is sent, so that a quick answer is not refused.
    """
    plane, tester = request.app[PLANE], request.app[TESTER]
    await read_form(request)
    test_id = str(uuid.uuid4())
    async with plane.writing:
        sink = sinks.find(request)
        if plane.is_anybodys(sink.sink_type):
            tester.admit_unasked(plane.feed.snapshot.customer_of(sink.account_sid))
        if plane.validates(sink.sink_type):
            locked = plane.vault.lock(test_id, Purpose.SINK_TEST, sink.sid)
            await plane.writer.put(
                replace(sink, status=SinkStatus.VALIDATING, test_id=locked, updated_ms=plane.clock())
            )
    await plane.writing.write_now()
    await tester.submit(sink, event_of_test(sink, test_id))
    return json_answer({"result": "submitted"}, status=HTTPStatus.CREATED)


async def validate(request: web.Request) -> web.Response:
    """CreateSinkValidate. If sinks must be validated, only the id of the newest test makes one active."""
    plane, form = request.app[PLANE], await read_form(request)
    test_id = form.required("TestId")
    async with plane.writing:
        sink = sinks.find(request)
        if plane.validates(sink.sink_type):
            await plane.writer.put(_validated(plane, sink, test_id))
    return json_answer({"result": "valid"}, status=HTTPStatus.CREATED)


def _validated(plane: ControlPlane, sink: SinkRecord, test_id: str) -> SinkRecord:
    """``sink`` as active.

    Raises:
        RefusedError: it was never tested, or ``test_id`` is not that of its newest test.
    """
    if sink.test_id is None:
        raise refused(Code.TEST_NOT_FOUND, f"No test event was sent to sink {sink.sid}: send one first")
    wanted = plane.vault.unlock(sink.test_id, Purpose.SINK_TEST, sink.sid)
    if not hmac.compare_digest(wanted.encode(), test_id.strip().encode(errors="replace")):
        raise refused(
            Code.BAD_TEST_ID, "TestId is not valid: it must be the test_id in the data of the sink's newest test event"
        )
    return replace(sink, status=SinkStatus.ACTIVE, updated_ms=plane.clock())


OPERATIONS: Final = (
    Operation(
        name="CreateSinkTest",
        method="POST",
        path=TEST_PATH,
        handler=test,
        group=sinks.GROUP,
        summary="Send a test event to a sink",
        description="The outcome appears in the delivery log.",
        names=(sinks.SID,),
        answer=One(models.SinkTest),
        statuses=(HTTPStatus.CREATED,),
        refusals=sinks.NO_SID,
    ),
    Operation(
        name="CreateSinkValidate",
        method="POST",
        path=VALIDATE_PATH,
        handler=validate,
        group=sinks.GROUP,
        summary="Confirm that a test event has arrived",
        names=(sinks.SID,),
        form=(text("TestId", "`test_id` in the data of the newest test event.").needed,),
        answer=One(models.SinkValidation),
        statuses=(HTTPStatus.CREATED,),
        refusals=(*sinks.NO_SID, *refused_with(Code.TEST_NOT_FOUND, Code.BAD_TEST_ID)),
    ),
)
