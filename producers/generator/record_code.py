"""Generates the classes for the records inside a schema, and the aliases for its enums. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types
from producers.generator.layout import bracketed, docstring, indented, text
from producers.generator.names import field_names, free_name, nested_name

DATACLASS: Final = "@dataclass(frozen=True, slots=True, kw_only=True)"
IMPORTED: Final = frozenset({"Data", "Event", "Literal", "Mapping", "ProductEvent", "Record", "Sequence", "TypeAlias"})
"""Names that a generated module may import."""

_SCALARS: Final = {"boolean": "bool", "long": "int", "double": "float", "string": "str"}


@dataclass(slots=True)
class ModuleNames:
    """The names used in a module, and its records and enums, which later schemas may reuse.

    Attributes:
        taken: Names of classes and aliases.
        known: Maps the source of a record or enum, generated with its Avro name, to its name in the module.
    """

    taken: set[str]
    known: dict[str, str] = field(default_factory=dict)


class RecordCode:
    """The source for the content of one schema's record."""

    def __init__(self, avro: Mapping[str, object], owner: str, names: ModuleNames) -> None:
        """Generate nothing yet; see ``lines``.

        Args:
            avro: A parsed record schema that complies with the catalogue's rules.
            owner: Its name in Python.
            names: The module's names; those of the records and enums inside are added.
        """
        self._avro, self._owner, self._names = avro, owner, names
        self._named = named_types(avro)
        self._python: dict[str, str] = {}  # full Avro name → class or alias

    def lines(self) -> list[str]:
        """The source of the records and enums inside; call it before ``attribute``."""
        return [line for each in fields_of(self._avro) for line in self._inside(each["type"])]

    def attribute(self, spelled: Mapping[str, object], python: str) -> list[str]:
        """Lines for the field ``spelled`` as the attribute ``python``, with its documentation."""
        default = " = None" if "default" in spelled else ""
        doc = docstring(str(spelled["doc"])) if "doc" in spelled else []
        return [f"{python}: {self._type(spelled['type'])}{default}", *doc]

    def value(self, type_: object, expression: str) -> str:
        """The expression that converts ``expression``, an attribute of type ``type_``, to data."""
        return f"plain({expression})" if self._has_record(type_) else expression

    def _inside(self, type_: object) -> Iterator[str]:
        """Lines for the records and enums that ``type_`` defines, each before what refers to it."""
        if isinstance(type_, list):
            for branch in type_:
                yield from self._inside(branch)
        elif isinstance(type_, Mapping):
            yield from self._inside(type_.get("items", type_.get("values")))
            if type_["type"] == "record":
                for each in fields_of(type_):
                    yield from self._inside(each["type"])
            if "name" in type_:
                yield from self._nested(str(type_["name"]), type_)

    def _nested(self, name: str, spelled: Mapping[str, object]) -> list[str]:
        """Lines for a record or enum; none if another schema of the module has the same one."""
        make = self._enum if spelled["type"] == "enum" else self._record
        wished = nested_name(name)
        source = "\n".join(make(wished, spelled))
        known = self._names.known.get(source)
        if known is not None:
            self._python[name] = known
            return []
        python = free_name(wished, self._owner, self._names.taken)
        self._names.taken.add(python)
        self._names.known[source] = self._python[name] = python
        return make(python, spelled)

    def _enum(self, python: str, spelled: Mapping[str, object]) -> list[str]:
        symbols = spelled["symbols"]
        assert isinstance(symbols, list)
        alias = bracketed(f"{python}: TypeAlias = Literal[", [text(each) for each in symbols], "]")
        return ["", "", *alias, *docstring(str(spelled.get("doc", self._owner)), depth=0)]

    def _record(self, python: str, spelled: Mapping[str, object]) -> list[str]:
        names = field_names(str(each["name"]) for each in fields_of(spelled))
        body = docstring(str(spelled.get("doc", self._owner)))
        body += [""]
        for each in fields_of(spelled):
            body += self.attribute(each, names[str(each["name"])])
        body += ["", "@override", "def as_data(self) -> Data:", "    return {"]
        for each in fields_of(spelled):
            wire = str(each["name"])
            body += [f"        {text(wire)}: {self.value(each['type'], f'self.{names[wire]}')},"]
        return ["", "", DATACLASS, f"class {python}(Record):", *indented([*body, "    }"])]

    def _type(self, type_: object) -> str:
        """The annotation of a field of ``type_``."""
        if isinstance(type_, list):
            branches = [self._type(branch) for branch in type_ if branch != "null"]
            return " | ".join([*branches, "None"] if "null" in type_ else branches)
        kind = kind_of_type(type_)
        if kind in _SCALARS:
            return _SCALARS[kind]
        if kind == "array" and isinstance(type_, Mapping):
            return f"Sequence[{self._type(type_['items'])}]"
        if kind == "map" and isinstance(type_, Mapping):
            return f"Mapping[str, {self._type(type_['values'])}]"
        return self._python[str(type_["name"]) if isinstance(type_, Mapping) else kind]

    def _has_record(self, type_: object) -> bool:
        if isinstance(type_, list):
            return any(map(self._has_record, type_))
        spelled = self._named.get(type_, type_) if isinstance(type_, str) else type_
        if not isinstance(spelled, Mapping):
            return False
        inner = spelled.get("items", spelled.get("values"))
        return spelled["type"] == "record" or (inner is not None and self._has_record(inner))
