"""Reads the events and attempts topics into the store, continuously, on a thread of its own.

Whatever goes wrong with the store or Kafka, it opens the store again and continues from the offsets in the store.
"""

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from control_api.delivery_log.places import MOST_ENTRIES
from control_api.delivery_log.store import (
    AcceptedEvent,
    Lag,
    LoggedEntry,
    LogWriter,
    StoreDamagedError,
    StoreTakenError,
)
from eventstreams.attempts import UnreadableRecordError, decode
from eventstreams.errors import EventStreamsError
from eventstreams.headers import ACCOUNT, ID, TIME, TYPE
from eventstreams.kafka.records import Partition, Record
from eventstreams.kafka.topics_reader import Backlog, TopicsReader
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from eventstreams.times import Clock
from eventstreams.topics import Topics

_READ: Final = 4_000  # records in one transaction, which then takes a tenth of a second
_WAIT_S: Final = 0.2
_GATHER_S: Final = 0.05  # so that one fetch's records of all partitions share a transaction
# At high rates, records are gathered for longer: in a transaction of 3,000, a row costs half of what it does in one of
# 300, because whole pages are written, which few rows share. At low rates, a search for a single event need not wait.
_MANY: Final = 50  # records in the previous transaction
_GATHER_MANY_S: Final = 0.5
_IDLE_WRITE_MS: Final = 5_000  # how often old segments are dropped although no records come
_AGAIN_S: Final = 2.0  # the first delay after an error; doubled each time, up to the following
_LONGEST_AGAIN_S: Final = 30.0
_MOST_HALTS: Final = 8  # the most errors in a row that are counted
_END_S: Final = 20.0  # an unresponsive database may hold the thread for longer; it ends with the process
_TELL_MS: Final = 1_000
_LONGEST_NAME: Final = 1024

_log = get_logger(__name__)


class Projector:
    """Use as ``with``: on exit, the thread ends after its current transaction."""

    def __init__(
        self,
        settings: Settings,
        writer: LogWriter,
        *,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        topics = Topics(settings)
        self._settings = settings
        self._topics = (topics.attempts, topics.events)
        self._writer = writer
        self._metrics = metrics
        self._clock = clock
        self._stopping = threading.Event()
        self._damaged = threading.Event()
        self._thread = threading.Thread(target=self._run, name="delivery-log", daemon=True)
        self._lag: Lag | None = None
        self._current_ms: int | None = None
        self._written_ms = 0
        self._told_ms = 0
        self._halts = 0
        self._stands_by = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(_END_S)

    @property
    def lag(self) -> Lag | None:
        """How far the store is behind; None while that is not known: at the start, and if the store or Kafka fails.

        If another process writes the store, it is the lag that this process states there.
        """
        return self._lag

    def rebuild(self) -> None:
        """Discard the store and rebuild it, because a search found it damaged."""
        self._damaged.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except StoreDamagedError as error:
                _log.warning("delivery_log.thrown_away", error=str(error), follows="it is rebuilt from Kafka")
                self._metrics.delivery_log_rebuilds.inc()
                self._throw_away()
            except EventStreamsError as error:
                _log.warning(
                    "delivery_log.halted",
                    error=str(error),
                    follows="it is retried in a moment, and lags in the meantime",
                )
                self._halt()
            except Exception:  # noqa: BLE001 - a bug in the log must not end the API
                _log.exception("delivery_log.failed", follows="it is retried in a moment, and lags in the meantime")
                self._halt()
        self._writer.close()

    def _throw_away(self) -> None:
        self._lag = None
        try:
            self._writer.discard()
        except Exception:  # noqa: BLE001 - a disk that is full or read-only must not end the thread
            _log.exception(
                "delivery_log.not_thrown_away", follows="it is retried in a moment, and lags in the meantime"
            )
            self._halt()

    def _halt(self) -> None:
        self._lag = None
        if self._current_ms is not None:
            self._metrics.delivery_log_lag.set((self._clock() - self._current_ms) / 1000)
        self._stopping.wait(min(_AGAIN_S * 2**self._halts, _LONGEST_AGAIN_S))
        self._halts = min(self._halts + 1, _MOST_HALTS)

    def _follow(self) -> None:
        with TopicsReader(self._settings, self._topics) as reader:
            identity = f"{reader.cluster_id()}/{self._settings.topic_prefix}"
            offsets = self._open(identity)
            if offsets is None:
                return
            reader.start(offsets)
            self._damaged.clear()
            records: Sequence[Record] = ()
            while not self._stopping.is_set():
                records = reader.read(_READ, wait_s=_WAIT_S, gather_s=patience_s(len(records)))
                if self._damaged.is_set():
                    self._damaged.clear()
                    raise StoreDamagedError("a search found the store damaged")
                now_ms = self._clock()
                if records or now_ms - self._written_ms >= _IDLE_WRITE_MS:
                    self._writer.write(*self._sort(records), reader.offsets(), now_ms=now_ms)
                    self._written_ms, self._halts = now_ms, 0
                self._tell(reader.backlogs())

    def _open(self, identity: str) -> Mapping[Partition, int] | None:
        """Wait until the store is ours to write; return the offsets to continue from, or None when stopping."""
        while not self._stopping.is_set():
            try:
                offsets = self._writer.open(identity)
            except StoreTakenError as error:
                self._stand_by(error)
                self._stopping.wait(_AGAIN_S)
            else:
                self._stands_by = False
                return offsets
        return None

    def _stand_by(self, error: StoreTakenError) -> None:
        """Another process writes the store: export the lag that it states. Sizes and the rest are left to it."""
        if not self._stands_by:
            _log.info("delivery_log.standing_by", reason=str(error), follows="it is read, and written when that ends")
        self._stands_by, self._halts = True, 0
        now_ms = self._clock()
        self._lag = self._writer.heard(now_ms=now_ms)
        self._metrics.delivery_log_lag_records.clear()
        self._metrics.delivery_log_bytes.set(0)
        if self._lag is not None and self._lag.read_until_ms is not None:
            self._current_ms = self._lag.read_until_ms
        if self._current_ms is not None:
            self._metrics.delivery_log_lag.set(max(now_ms - self._current_ms, 0) / 1000)

    def _sort(self, records: Sequence[Record]) -> tuple[Sequence[AcceptedEvent], Sequence[LoggedEntry]]:
        """Split ``records`` into events and entries."""
        events: list[AcceptedEvent] = []
        entries: list[LoggedEntry] = []
        attempts = self._topics[0]
        for record in records:
            if record.topic == attempts:
                entries += self._entries(record)
            elif (event := read_event(record)) is not None:
                events.append(event)
        return events, entries

    def _entries(self, record: Record) -> Sequence[LoggedEntry]:
        try:
            decoded = decode(record.value)
        except UnreadableRecordError as error:
            _log.warning("attempts.record_skipped", place=record.origin, error=str(error))
            self._metrics.delivery_log_skipped.inc()
            return ()
        found = [
            LoggedEntry(record.partition, record.offset, index, entry)
            for index, entry in enumerate(decoded[:MOST_ENTRIES])
            if entry is not None
        ]
        if len(found) < len(decoded):
            self._metrics.delivery_log_skipped.inc(len(decoded) - len(found))
        return found

    def _tell(self, backlogs: Mapping[Partition, Backlog] | None) -> None:
        now_ms = self._clock()
        self._lag = None if backlogs is None else _lag(backlogs, now_ms)
        if backlogs is None or self._lag is None:
            return
        for topic in self._topics:
            left = sum(backlog.records for partition, backlog in backlogs.items() if partition.topic == topic)
            self._metrics.delivery_log_lag_records.labels(topic.removeprefix(self._settings.topic_prefix)).set(left)
        if self._lag.read_until_ms is not None:
            self._current_ms = self._lag.read_until_ms
            self._metrics.delivery_log_lag.set((now_ms - self._current_ms) / 1000)
        self._metrics.delivery_log_bytes.set(self._writer.held_bytes)
        if now_ms - self._told_ms >= _TELL_MS:
            self._writer.tell(self._lag)
            self._told_ms = now_ms


def patience_s(before: int) -> float:
    """How long to gather records, in seconds, if there were ``before`` of them the last time."""
    return _GATHER_S if before < _MANY else _GATHER_MANY_S


def read_event(record: Record) -> AcceptedEvent | None:
    """The event in a record of the events topic; None if nobody could search for it, as it lacks an account or id."""
    headers = dict(record.headers)
    try:
        account, event_id, event_type = headers[ACCOUNT].decode(), headers[ID].decode(), headers[TYPE].decode()
        time = headers[TIME].decode()
    except (KeyError, UnicodeDecodeError):
        return None
    if max(len(account), len(event_id), len(event_type), len(time)) > _LONGEST_NAME:
        return None
    return AcceptedEvent(record.timestamp_ms, record.partition, record.offset, event_id, account, event_type, time)


def _lag(backlogs: Mapping[Partition, Backlog], now_ms: int) -> Lag:
    behind = [backlog for backlog in backlogs.values() if backlog.records]
    times = [backlog.read_until_ms for backlog in behind if backlog.read_until_ms is not None]
    until_ms = min(times, default=now_ms) if len(times) == len(behind) else None
    return Lag.at(now_ms, sum(backlog.records for backlog in behind), until_ms)
