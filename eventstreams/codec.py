"""Event data to Avro and back. The writer's schema is named by ``ce_dataschema``; no registry is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Final

from fastavro import schemaless_reader, schemaless_writer
from fastavro.types import Schema as AvroSchema

from eventstreams.avro_absent import compile_prune
from eventstreams.avro_problems import Problem, find_problem
from eventstreams.avro_reader import Reader, UnreadableError, compile_reader
from eventstreams.avro_writer import Writer, compile_writer
from eventstreams.catalog import Catalog, SchemaVersion
from eventstreams.errors import InvalidEventError
from eventstreams.reasons import DeadReason

Data = dict[str, object]
"""The fields of an event as JSON values, absent optional ones left out."""

_KNOWN_SCHEMAS_BOUND: Final = 10_000  # distinct dataschema texts remembered; far above any real catalogue


@dataclass(frozen=True, slots=True)
class CodecProblem:
    """A value that cannot be read, with what would have been expected."""

    reason: DeadReason
    detail: str


class Codec:
    """Encodes once, at the producer; decodes and projects once, at the worker."""

    def __init__(self, catalog: Catalog, *, schema_base_url: str) -> None:
        self._catalog = catalog
        self._base = schema_base_url.rstrip("/")
        self._writers: dict[str, SchemaVersion | CodecProblem] = {}
        self._compiled: dict[tuple[str, int], Writer] = {}  # no more than the catalogue has
        self._compiled_readers: dict[tuple[str, int, int], Reader] = {}  # nor these, of any two versions
        self._readers: dict[tuple[str, int | None], Reader] = {}
        self._identities: dict[tuple[str, int | None], Mapping[str, str]] = {}

    def dataschema(self, schema: SchemaVersion) -> str:
        """The ``dataschema`` attribute that names ``schema``."""
        return f"{self._base}/{schema.schema_id}/{schema.version}"

    def encode(self, schema: SchemaVersion, data: Mapping[str, object]) -> bytes:
        """Avro binary of ``data``.

        Raises:
            InvalidEventError: a field is missing, unknown, or of the wrong type; names it.
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
        """The event's data as ``version`` of the writer's schema has it (default: the writer's own).

        A field that ``version`` does not know is left out, and so is an optional field without a value.
        """
        reader = self._readers.get((dataschema, version)) or self._reader(dataschema, version)
        if isinstance(reader, CodecProblem):
            return reader
        try:
            return reader(value)
        except UnreadableError as error:
            named = self.writer(dataschema)
            assert isinstance(named, SchemaVersion)  # there is a reader
            where = f"{named.schema_id}/{named.version}"
            return CodecProblem(DeadReason.UNDECODABLE, f"value is not Avro of {where}: {error}")

    def _reader(self, dataschema: str, version: int | None) -> Reader | CodecProblem:
        """What reads as ``version`` what ``dataschema`` wrote."""
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
        if len(self._readers) < _KNOWN_SCHEMAS_BOUND:
            self._readers[dataschema, version] = reader
        return reader

    def projected(self, dataschema: str, version: int | None) -> str:
        """The ``dataschema`` of the event once it is decoded as ``version``: our base, and that version."""
        writer = self.writer(dataschema)
        if isinstance(writer, CodecProblem):
            return dataschema
        return f"{self._base}/{writer.schema_id}/{version or writer.version}"

    def identities(self, dataschema: str, version: int | None) -> Mapping[str, str]:
        """Kind of identity to the field that holds one, in the event's data once it is decoded as ``version``."""
        found = self._identities.get((dataschema, version))
        if found is not None:
            return found
        schema = self.writer(dataschema)
        if isinstance(schema, SchemaVersion) and version is not None:
            schema = self._catalog.schemas[schema.schema_id].version(version) or schema
        identities = schema.identities if isinstance(schema, SchemaVersion) else {}
        if len(self._identities) < _KNOWN_SCHEMAS_BOUND:
            self._identities[dataschema, version] = identities
        return identities

    def writer(self, dataschema: str) -> SchemaVersion | CodecProblem:
        """The schema that ``dataschema`` names, whatever its base: its last two parts are id and version.

        The reference's own name files: ``…/EventStreams.TestSink/1.json``.
        """
        return self._writers.get(dataschema) or self._writer(dataschema)

    def _writer(self, dataschema: str) -> SchemaVersion | CodecProblem:
        _, schema_id, number = ("", "", *dataschema.rsplit("/", 2))[-3:]
        number = number.removesuffix(".json")
        schema = self._catalog.schemas.get(schema_id)
        found = schema.version(int(number)) if schema and number.isascii() and number.isdecimal() else None
        result = found or CodecProblem(
            DeadReason.UNKNOWN_SCHEMA, f"dataschema {dataschema[:200]!r} names no schema of the catalogue"
        )
        if len(self._writers) < _KNOWN_SCHEMAS_BOUND:
            self._writers[dataschema] = result
        return result


def _write(schema: SchemaVersion, data: Mapping[str, object]) -> bytes:
    """As a compiled writer, for schemas that have none."""
    if find_problem(schema.avro, data) is not None:
        raise ValueError("does not fit the schema")
    buffer = BytesIO()
    schemaless_writer(buffer, schema.avro, data, strict_allow_default=True, disable_tuple_notation=True)
    return buffer.getvalue()


def _by_fastavro(wrote: AvroSchema, wanted: AvroSchema) -> Reader:
    """As a compiled reader, for schemas that have none."""
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
        return prune(record)

    return read


def _invalid(schema: SchemaVersion, data: Mapping[str, object], otherwise: str) -> InvalidEventError:
    problem = find_problem(schema.avro, data) or Problem("$.data", otherwise)
    named = f"{schema.schema_id} version {schema.version}"
    return InvalidEventError(f"{problem.path} {problem.text} ({named})", path=problem.path)
