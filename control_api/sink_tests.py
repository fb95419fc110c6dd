"""``/v1/Sinks/{Sid}/Test`` and ``/Validate``: a test event to a sink, and the proof that it arrived."""

import hmac
import uuid
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api import sinks
from control_api.answers import json_answer
from control_api.codes import Code, refused
from control_api.forms import read_form
from control_api.plane import PLANE, ControlPlane
from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.records import SinkRecord, SinkStatus
from eventstreams.errors import TopicError
from eventstreams.events import Event
from eventstreams.headers import event_headers, routed_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer, NotAcked
from eventstreams.sink_tests import event_of_test
from eventstreams.times import Clock
from eventstreams.topics import Topics

TEST_PATH: Final = f"{sinks.PATH}/{{sid}}/Test"
VALIDATE_PATH: Final = f"{sinks.PATH}/{{sid}}/Validate"
_MILLISECOND: Final = timedelta(milliseconds=1)


class SinkTester:
    """Hands events that are made for one sink to the sink workers, on the topic of its type."""

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

    async def submit(self, sink: SinkRecord, event: Event) -> None:
        """Return once Kafka has ``event`` for ``sink``.

        Raises:
            InvalidEventError: its data does not fit its schema.
            TopicError: Kafka did not acknowledge it; it may be delivered nevertheless.
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
            raise TopicError(f"Kafka did not take an event for a sink on {topic}: {answer.text}")


TESTER: Final = web.AppKey("tester", SinkTester)


async def test(request: web.Request) -> web.Response:
    """CreateSinkTest: answered once the event is on its way. What becomes of it is in the delivery log.

    Where sinks must be validated, the id counts before its event leaves: nobody can be too quick with it.
    """
    plane, tester = request.app[PLANE], request.app[TESTER]
    await read_form(request)
    test_id = str(uuid.uuid4())
    async with plane.writing:
        sink = sinks.find(request)
        if plane.must_validate:
            locked = plane.vault.lock(test_id)
            await plane.writer.put(
                replace(sink, status=SinkStatus.VALIDATING, test_id=locked, updated_ms=plane.clock())
            )
    await plane.writing.write_now()
    await tester.submit(sink, event_of_test(sink, test_id))
    return json_answer({"result": "submitted"}, status=HTTPStatus.CREATED)


async def validate(request: web.Request) -> web.Response:
    """CreateSinkValidate. Where sinks must be validated, only the id of the newest test makes one active."""
    plane, form = request.app[PLANE], await read_form(request)
    test_id = form.required("TestId")
    async with plane.writing:
        sink = sinks.find(request)
        if plane.must_validate:
            await plane.writer.put(_validated(plane, sink, test_id))
    return json_answer({"result": "valid"}, status=HTTPStatus.CREATED)


def _validated(plane: ControlPlane, sink: SinkRecord, test_id: str) -> SinkRecord:
    """``sink``, active.

    Raises:
        RefusedError: it was never tested, or ``test_id`` is not that of its newest test; it stays as it is.
    """
    if sink.test_id is None:
        raise refused(Code.TEST_NOT_FOUND, f"No test event was sent to sink {sink.sid}: send one first")
    wanted = plane.vault.unlock(sink.test_id)
    if not hmac.compare_digest(wanted.encode(), test_id.strip().encode(errors="replace")):
        raise refused(
            Code.BAD_TEST_ID, "TestId is not valid: it is test_id in the data of the newest test event of the sink"
        )
    return replace(sink, status=SinkStatus.ACTIVE, updated_ms=plane.clock())
