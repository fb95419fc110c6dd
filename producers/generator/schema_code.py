"""Generates the classes of one schema: a base class for all its event types, and one for each event type. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from eventstreams.avro.named_types import fields_of
from eventstreams.catalog import EventType, EventTypeStatus, Schema
from eventstreams.catalog.event_rules import PLACEHOLDER, field_on_the_way, is_required
from eventstreams.catalog.listing import Filled
from producers.generator.layout import bracketed, docstring, indented, text
from producers.generator.names import class_name, field_names, nested_name, shared_beginning
from producers.generator.record_code import DATACLASS, ModuleNames, RecordCode

_DEFAULT_ID: Final = "EZ"
_RESTRICTED: Final = "Restricted: only who is subscribed to it already gets it."


def class_names(types: Sequence[EventType]) -> dict[str, str]:
    """The class name of each of a schema's ``types``, by the type's name."""
    beginning = shared_beginning([each.name for each in types])
    return {
        each.name: each.name_in_code or class_name(each.name.removeprefix(beginning), each.product) for each in types
    }


class SchemaCode:
    """The source of one schema's classes, for its newest version."""

    def __init__(self, schema: Schema, types: Sequence[EventType], names: ModuleNames) -> None:
        """Generate nothing yet; see ``lines``.

        Args:
            schema: A schema that complies with the catalogue's rules.
            types: Those of its event types that get a class; their ``class_names`` must be distinct.
            names: The module's names; those of this schema are added.
        """
        avro = schema.latest.avro
        assert isinstance(avro, dict)  # every schema of the catalogue is a record
        self._schema, self._types, self._names, self._avro = schema, types, names, avro
        self._owner = nested_name(str(avro["name"]))
        self._records = RecordCode(avro, self._owner, names)
        self._fields = field_names(str(each["name"]) for each in fields_of(avro))

    def lines(self, all_types: Sequence[EventType]) -> list[str]:
        """The source; ``all_types`` are all of the schema's, including those that get no class."""
        nested = self._records.lines()
        beginning = shared_beginning([each.name for each in all_types])
        classes = class_names(all_types)
        if len(self._types) == 1:
            return [*nested, *self._event_class(classes[self._types[0].name], self._types[0], beginning)]
        shared = f"_{self._owner}"
        if shared in self._names.taken:  # another schema's record has the same name
            shared = f"_{self._schema.id.replace('.', '')}"
        self._names.taken.add(shared)
        lines = [*nested, *self._event_class(shared, None, beginning)]
        for each in self._types:
            lines += self._type_class(classes[each.name], shared, each)
        return lines

    def _event_class(self, name: str, of_type: EventType | None, beginning: str) -> list[str]:
        """The class with all fields; for ``of_type`` itself if it is the schema's only one."""
        shown = f"``{self._schema.id}``, version {self._schema.latest.version}"
        about = f"{str(self._avro.get('doc', self._schema.title)).rstrip('.')} ({shown})."
        decorators = [] if of_type is None else _deprecated(of_type)
        if of_type is not None and about.startswith(of_type.description.rstrip(".")):
            body = docstring(about, *_words(of_type)[1:])
        else:
            body = docstring(*([] if of_type is None else _words(of_type)), about)
        body += [""]
        if of_type is not None:
            body += [f"TYPE = {text(of_type.name)}", ""]
        if self._schema.events.id != _DEFAULT_ID:
            body += [f"id: str = field(default_factory=ids({text(self._schema.events.id)}))"]
        if self._schema.events.source is None:
            body += ["source: str", *docstring("REST path of the resource it speaks of.")]
        constants = of_type.data if of_type is not None else {}
        for each in fields_of(self._avro):
            wire = str(each["name"])
            if wire in constants:
                body += [_constant(self._fields[wire], constants[wire])]
            elif wire not in self._schema.events.filled:
                body += self._records.attribute(each, self._fields[wire])
        body += ["", "@override", "def event(self) -> Event:", *indented(self._event_method(beginning))]
        return ["", "", *decorators, DATACLASS, f"class {name}(ProductEvent):", *indented(body)]

    def _event_method(self, beginning: str) -> Iterator[str]:
        yield "data: Data = {"
        for each in fields_of(self._avro):
            wire = str(each["name"])
            yield f"    {text(wire)}: {self._records.value(each['type'], self._expression(wire, beginning))},"
        yield "}"
        arguments = ["data", f"version={self._schema.latest.version}"]
        if self._schema.events.source is not None:
            arguments += [f"source={self._source(self._schema.events.source, beginning)}"]
        if keys := self._schema.events.partition_key:
            arguments += [f"key={' or '.join(self._expression(each, beginning) for each in keys)}"]
        yield from bracketed("return self._event(", arguments, ")", depth=2)

    def _expression(self, wire: str, beginning: str) -> str:
        """The expression for the value of the field ``wire``, which may be nested: ``payload.task_sid``."""
        first, *inner = (
            field_names(str(each["name"]) for each in fields_of(record))[name]
            for record, name in field_on_the_way(self._avro, wire)
        )
        if inner:
            return f"part(self.{first}, {', '.join(map(text, inner))})"
        match self._schema.events.filled.get(wire):
            case None:
                return f"self.{first}"
            case Filled.ACCOUNT:
                return "self.account_sid"
            case Filled.ID:
                return "self.id"
            case Filled.TIME:
                return "timestamp(self.time)"
            case Filled.TYPE:
                return "self.TYPE"
            case Filled.TYPE_ENDING:
                return f"self.TYPE.removeprefix({text(beginning)})"

    def _source(self, template: str, beginning: str) -> str:
        literals = PLACEHOLDER.split(template)
        wires = literals[1::2]
        if not wires:
            return text(template)
        values = ["self.account_sid" if each == "accountsid" else self._expression(each, beginning) for each in wires]
        always = all(each == "accountsid" or is_required(self._avro, each) for each in wires)
        if always and '"' not in "".join(values):  # the same quotation marks inside an f-string need Python 3.12
            filled = "".join(
                part if index % 2 == 0 else f"{{{values[index // 2]}}}" for index, part in enumerate(literals)
            )
            return f'f"{filled}"'
        parts = [text(part) if index % 2 == 0 else values[index // 2] for index, part in enumerate(literals) if part]
        return f"path({', '.join(parts)})"

    def _type_class(self, name: str, shared: str, of_type: EventType) -> list[str]:
        body = [*docstring(*_words(of_type)), "", f"TYPE = {text(of_type.name)}"]
        if of_type.data:
            body += ["", *(_constant(self._fields[wire], value) for wire, value in of_type.data.items())]
        decorators = [*_deprecated(of_type), *([DATACLASS] if of_type.data else [])]
        return ["", "", *decorators, f"class {name}({shared}):", *indented(body)]


def _constant(python: str, value: str) -> str:
    return f"{python}: Literal[{text(value)}] = field(default={text(value)}, init=False)"


def _words(of_type: EventType) -> list[str]:
    return [of_type.description, *([_RESTRICTED] if of_type.status is EventTypeStatus.RESTRICTED else [])]


def _deprecated(of_type: EventType) -> list[str]:
    if of_type.status is not EventTypeStatus.DEPRECATED:
        return []
    return bracketed("@deprecated(", [text(f"{of_type.name} may cease: {of_type.description}")], ")")
