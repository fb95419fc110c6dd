"""Describes a schema version's data to CEL's type checker, as a protobuf message. No such message is ever created."""

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf import struct_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types

_PLAIN: Final = {
    "boolean": FieldDescriptorProto.TYPE_BOOL,
    "long": FieldDescriptorProto.TYPE_INT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "string": FieldDescriptorProto.TYPE_STRING,
}
_ANY: Final = ".google.protobuf.Value"  # CEL's dyn: checked only at evaluation
_ANY_FILE: Final = "google/protobuf/struct.proto"
_PACKAGE: Final = "data"
OUTERMOST: Final = f"{_PACKAGE}.R0"
"""The message for the data itself; its inner records are R1, R2, …"""


class Description:
    """The description of one schema version's data.

    Attributes:
        pool: The descriptor pool that holds the messages.
        fields: The names of the fields of each message, by the message's full name.
    """

    def __init__(self, avro: object) -> None:
        """``avro`` is a parsed record that complies with ``eventstreams.catalog.schema_rules``."""
        types = named_types(avro)
        records = [name for name, each in types.items() if each["type"] == "record"]
        self._types = types
        self._messages = {name: f".{_PACKAGE}.R{number}" for number, name in enumerate(records)}
        file = FileDescriptorProto(name="data.proto", package=_PACKAGE, syntax="proto2", dependency=[_ANY_FILE])
        self.fields: dict[str, Sequence[str]] = {}
        for name in records:
            file.message_type.append(self._message(types[name], self._messages[name].rpartition(".")[2]))
            self.fields[self._messages[name][1:]] = [str(field["name"]) for field in fields_of(types[name])]
        self.pool = DescriptorPool()
        any_file = FileDescriptorProto()
        struct_pb2.DESCRIPTOR.CopyToProto(any_file)
        self.pool.AddSerializedFile(any_file.SerializeToString())
        self.pool.AddSerializedFile(file.SerializeToString())

    def _message(self, record: Mapping[str, object], name: str) -> DescriptorProto:
        message = DescriptorProto(name=name)
        for number, field in enumerate(fields_of(record), start=1):
            described = self._field(message, str(field["name"]), number, _single(field["type"]))
            described.json_name = f"f{number}"  # unused; derived ones could collide between two fields
            message.field.append(described)
        return message

    def _field(self, message: DescriptorProto, name: str, number: int, type_: object) -> FieldDescriptorProto:
        kind = kind_of_type(type_)
        if isinstance(type_, Mapping) and kind == "array":
            return self._of(name, number, _single(type_["items"]), repeated=True)
        if isinstance(type_, Mapping) and kind == "map":
            entry = f"{_camel(name)}Entry"  # the name that protobuf requires
            if any(each.name == entry for each in message.nested_type):
                return _anything(name, number)
            pair = DescriptorProto(name=entry)
            pair.options.map_entry = True
            pair.field.append(_plain("key", 1, "string"))
            pair.field.append(self._of("value", 2, _single(type_["values"])))
            message.nested_type.append(pair)
            return FieldDescriptorProto(
                name=name,
                number=number,
                label=FieldDescriptorProto.LABEL_REPEATED,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=f".{_PACKAGE}.{message.name}.{entry}",
            )
        return self._of(name, number, type_)

    def _of(self, name: str, number: int, type_: object, *, repeated: bool = False) -> FieldDescriptorProto:
        """A field that holds one value of ``type_``, or a list of them if ``repeated``."""
        kind = kind_of_type(type_)
        full_name = str(type_["name"]) if isinstance(type_, Mapping) and "name" in type_ else kind
        named = self._types.get(full_name)
        if full_name in self._messages:
            field = FieldDescriptorProto(
                name=name,
                number=number,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=self._messages[full_name],
            )
        elif named is not None:
            field = _plain(name, number, "string")  # an enum
        elif kind in _PLAIN:
            field = _plain(name, number, kind)
        else:
            field = _anything(name, number)
        field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        return field


def _plain(name: str, number: int, kind: str) -> FieldDescriptorProto:
    return FieldDescriptorProto(name=name, number=number, type=_PLAIN[kind], label=FieldDescriptorProto.LABEL_OPTIONAL)


def _anything(name: str, number: int) -> FieldDescriptorProto:
    return FieldDescriptorProto(
        name=name,
        number=number,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=_ANY,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )


def _single(type_: object) -> object:
    """``type_`` without null, because an absent field is left out of an event, never null."""
    if not isinstance(type_, list):
        return type_
    branches = [branch for branch in type_ if branch != "null"]
    return branches[0] if len(branches) == 1 else branches


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
