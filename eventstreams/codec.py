"""Encodes event data as Avro and decodes it. ``ce_dataschema`` names the writer's schema; no registry is needed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from math import isfinite
from typing import Final

from fastavro import schemaless_reader, schemaless_writer
from fastavro.types import Schema as AvroSchema
from typing_extensions import override

from eventstreams.avro.absent_fields import compile_prune
from eventstreams.avro.problems import Problem, find_problem
from eventstreams.avro.reader import NOT_FINITE, Reader, UnreadableError, compile_check, compile_reader
from eventstreams.avro.writer import Writer, compile_writer
from eventstreams.catalog import Catalog, SchemaVersion
from eventstreams.errors import InvalidEventError
from eventstreams.reasons import DeadReason

Data = dict[str, object]
"""The fields of an event as JSON values, without absent optional ones."""

_KNOWN_SCHEMAS_BOUND: Final = 10_000  # distinct dataschema texts cached; far more than any real catalogue has
_KNOWN_LENGTH: Final = 1024  # of each; a header can be as long as a record, and 10,000 such would be gigabytes


@dataclass(frozen=True, slots=True)
class CodecProblem:
    """Why a value cannot be decoded; ``detail`` explains it."""

    reason: DeadReason
    detail: str


class Unread(Mapping[str, object]):
    """The data of an event that was validated, but is decoded only on first access."""

    __slots__ = ("_data", "_read", "_value")

    def __init__(self, read: Reader, value: bytes) -> None:
        self._read = read
        self._value = value
        self._data: Data | None = None

    @override
    def __getitem__(self, key: str) -> object:
        return self._now()[key]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    @override
    def __len__(self) -> int:
        return len(self._now())

    def _now(self) -> Data:
        if self._data is None:
            self._data = self._read(self._value)
        return self._data


@dataclass(frozen=True, slots=True)
class Projection:
    """How to decode data of one writer's schema as one version of it. Looked up once for an event.

    Attributes:
        read: Decodes Avro; raises ``UnreadableError``.
        check: Only validates the same bytes: raises where ``read`` does.
        writer: Id and version of the writer's schema.
        dataschema: Names the version of the decoded data, under our base URL.
        identities: Maps a kind of identity to the field of the data that holds one.
        avro_schema: The Avro schema of the decoded data, as JSON.
        is_as_written: Whether that is the writer's schema, so that the producer's own bytes fit it.
    """

    read: Reader
    check: Callable[[bytes], object]
    writer: str
    dataschema: str
    identities: Mapping[str, str]
    avro_schema: str
    is_as_written: bool

    def decode(self, value: bytes) -> Data | CodecProblem:
        """The data of an event, without fields that have no value."""
        try:
            return self.read(value)
        except UnreadableError as error:
            return self._undecodable(error)

    def decode_later(self, value: bytes) -> Unread | CodecProblem:
        """Like ``decode``, for callers that rarely need the data: validated at once, but decoded on first access."""
        try:
            self.check(value)
        except UnreadableError as error:
            return self._undecodable(error)
        return Unread(self.read, value)

    def _undecodable(self, error: UnreadableError) -> CodecProblem:
        return CodecProblem(DeadReason.UNDECODABLE, f"value is not Avro of {self.writer}: {error}")


class Codec:
    """Encodes once, at the producer; decodes and projects once, at the worker."""

    def __init__(self, catalog: Catalog, *, schema_base_url: str) -> None:
        self._catalog = catalog
        self._base = schema_base_url.rstrip("/")
        self._writers: dict[str, SchemaVersion | CodecProblem] = {}
        self._compiled: dict[tuple[str, int], Writer] = {}  # bounded by the versions in the catalogue
        self._compiled_readers: dict[tuple[str, int, int], Reader] = {}  # bounded by pairs of versions of a schema
        self._projections: dict[tuple[str, int | None], Projection] = {}

    def dataschema(self, schema: SchemaVersion) -> str:
        """The ``dataschema`` attribute that names ``schema``."""
        return f"{self._base}/{schema.schema_id}/{schema.version}"

    def encode(self, schema: SchemaVersion, data: Mapping[str, object]) -> bytes:
        """Encode ``data`` as Avro binary.

        Raises:
            InvalidEventError: a field is missing, unknown, or of the wrong type; the text names it.
        """
        key = schema.schema_id, schema.version
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = compile_writer(schema.avro) or partial(_write, schema)
        try:
            return compiled(data)
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
            raise _invalid(schema, data, str(error)) from None

    def decode(self, dataschema: str, value: bytes, *, version: int | None = None) -> Data | CodecProblem:
        """The event's data in ``version`` of the writer's schema (by default the writer's own).

        Fields that ``version`` does not have are left out, and so are optional fields without a value.
        """
        found = self.projection(dataschema, version)
        return found if isinstance(found, CodecProblem) else found.decode(value)

    def projection(self, dataschema: str, version: int | None) -> Projection | CodecProblem:
        """How to decode data of the schema ``dataschema`` as ``version`` (None: the writer's own)."""
        return self._projections.get((dataschema, version)) or self._projection(dataschema, version)

    def _projection(self, dataschema: str, version: int | None) -> Projection | CodecProblem:
        writer = wanted = self.writer(dataschema)
        if isinstance(writer, CodecProblem):
            return writer
        if version is not None and version != writer.version:
            found = self._catalog.schemas[writer.schema_id].version(version)
            wanted = found or CodecProblem(DeadReason.UNKNOWN_SCHEMA, f"{writer.schema_id} has no version {version}")
        if isinstance(wanted, CodecProblem):
            return wanted
        key = writer.schema_id, writer.version, wanted.version
        reader = self._compiled_readers.get(key)
        if reader is None:
            reader = compile_reader(writer.avro, wanted.avro) or _by_fastavro(writer.avro, wanted.avro)
            self._compiled_readers[key] = reader
        projection = Projection(
            read=reader,
            check=_check_of(wanted, reader) if wanted is writer else reader,
            writer=f"{writer.schema_id}/{writer.version}",
            dataschema=self.dataschema(wanted),
            identities=wanted.identities,
            avro_schema=wanted.text,
            is_as_written=wanted is writer,
        )
        if len(self._projections) < _KNOWN_SCHEMAS_BOUND and len(dataschema) <= _KNOWN_LENGTH:
            self._projections[dataschema, version] = projection
        return projection

    def writer(self, dataschema: str) -> SchemaVersion | CodecProblem:
        """The schema that ``dataschema`` names, whatever its base URL: its last two segments are id and version.

        The reference's own name files, such as ``…/EventStreams.TestSink/1.json``.
        """
        return self._writers.get(dataschema) or self._writer(dataschema)

    def _writer(self, dataschema: str) -> SchemaVersion | CodecProblem:
        _, schema_id, number = ("", "", *dataschema.rsplit("/", 2))[-3:]
        number = number.removesuffix(".json")
        schema = self._catalog.schemas.get(schema_id)
        found = schema.version(int(number)) if schema and number.isascii() and number.isdecimal() else None
        result = found or CodecProblem(
            DeadReason.UNKNOWN_SCHEMA, f"dataschema {dataschema[:200]!r} is not a schema in the catalogue"
        )
        if len(self._writers) < _KNOWN_SCHEMAS_BOUND and len(dataschema) <= _KNOWN_LENGTH:
            self._writers[dataschema] = result
        return result


def _write(schema: SchemaVersion, data: Mapping[str, object]) -> bytes:
    """Does what a compiled writer does, for schemas that have none."""
    if find_problem(schema.avro, data) is not None:
        raise ValueError("does not fit the schema")
    buffer = BytesIO()
    schemaless_writer(buffer, schema.avro, data, strict_allow_default=True, disable_tuple_notation=True)
    return buffer.getvalue()


def _by_fastavro(wrote: AvroSchema, wanted: AvroSchema) -> Reader:
    """Does what a compiled reader does, for schemas that have none."""
    prune = compile_prune(wanted)

    def read(value: bytes) -> Data:
        buffer = BytesIO(value)
        try:
            record = schemaless_reader(buffer, wrote, wanted)
        except Exception as error:  # noqa: BLE001 - any bytes may come; fastavro raises what the bytes provoke
            raise UnreadableError(f"{type(error).__name__}: {error}") from None
        if buffer.tell() != len(value):
            raise UnreadableError(f"it has {len(value) - buffer.tell()} bytes after its last field")
        assert isinstance(record, dict)  # every schema of the catalogue is a record
        if not all(isfinite(each) for each in _numbers(record)):
            raise UnreadableError(NOT_FINITE)
        return prune(record)

    return read


def _check_of(schema: SchemaVersion, read: Reader) -> Callable[[bytes], object]:
    """A check that is compiled on first use, as few processes need any."""

    @cache
    def compiled(is_ascii: bool) -> Reader:  # noqa: FBT001 - a key of the cache
        return compile_check(schema.avro, of_ascii=is_ascii) or read

    return lambda value: compiled(value.isascii())(value)


def _numbers(record: object) -> Iterator[float]:
    left = [record]
    while left:
        each = left.pop()
        if isinstance(each, float):
            yield each
        elif isinstance(each, Mapping):
            left += each.values()
        elif isinstance(each, list):
            left += each


def _invalid(schema: SchemaVersion, data: Mapping[str, object], otherwise: str) -> InvalidEventError:
    problem = find_problem(schema.avro, data) or Problem("$.data", otherwise)
    named = f"{schema.schema_id} version {schema.version}"
    return InvalidEventError(f"{problem.path} {problem.text} ({named})", path=problem.path)
