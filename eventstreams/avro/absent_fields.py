"""Removes fields without a value from decoded Avro records. Nulls inside maps and arrays are data, and stay."""

from collections.abc import Callable, Mapping, Sequence

from eventstreams.avro.named_types import fields_of, kind_of_type, named_types

Prune = Callable[[object], object]
"""Returns the value without absent fields, at any depth. Takes a value that fits the schema, never null."""


def compile_prune(schema: object) -> Callable[[Mapping[str, object]], dict[str, object]]:
    """A function that removes absent fields from records of ``schema`` (parsed Avro, a record)."""
    compiler = _Compiler(schema)
    prune = compiler.record(compiler.resolved(schema))

    def run(record: Mapping[str, object]) -> dict[str, object]:
        pruned = prune(record)
        assert isinstance(pruned, dict)
        return pruned

    return run


class _Compiler:
    """Makes one function for each record type; None for types that contain no record."""

    def __init__(self, schema: object) -> None:
        self._named = named_types(schema)
        self._records: dict[int, Prune] = {}

    def resolved(self, schema: object) -> Mapping[str, object]:
        found = self._named.get(schema, {"type": schema}) if isinstance(schema, str) else schema
        assert isinstance(found, Mapping)
        return found

    def record(self, schema: Mapping[str, object]) -> Prune:
        known = self._records.get(id(schema))
        if known is not None:
            return known
        nested: dict[str, Prune] = {}

        def prune(record: object) -> object:
            assert isinstance(record, dict)
            if not nested:
                return {name: value for name, value in record.items() if value is not None}
            return {
                name: nested[name](value) if name in nested else value
                for name, value in record.items()
                if value is not None
            }

        self._records[id(schema)] = prune  # before its fields, as a type may contain itself
        for field in fields_of(schema):
            if (inner := self._of(field["type"])) is not None:
                nested[str(field["name"])] = inner
        return prune

    def _of(self, schema: object) -> Prune | None:
        if isinstance(schema, list):
            return self._union([self.resolved(branch) for branch in schema if branch != "null"])
        found = self.resolved(schema)
        match kind_of_type(found):
            case "record":
                return self.record(found)
            case "array":
                return _in_array(self._of(found["items"]))
            case "map":
                return _in_map(self._of(found["values"]))
            case _:
                return None

    def _union(self, branches: Sequence[Mapping[str, object]]) -> Prune | None:
        if len(branches) == 1:
            return self._of(branches[0])
        arrays = [self._of(each) for each in branches if kind_of_type(each) == "array"]
        maps = [self._of(each) for each in branches if kind_of_type(each) == "map"]
        in_array, in_map = next(iter(arrays), None), next(iter(maps), None)
        records = [
            (frozenset(field["name"] for field in fields_of(each)), self.record(each))
            for each in branches
            if kind_of_type(each) == "record"
        ]

        def prune(value: object) -> object:
            if isinstance(value, list):
                return value if in_array is None else in_array(value)
            if not isinstance(value, dict):
                return value
            found = next((each for names, each in records if names == value.keys()), in_map)
            return value if found is None else found(value)

        return prune if arrays or maps or records else None


def _in_array(prune: Prune | None) -> Prune | None:
    if prune is None:
        return None

    def each(values: object) -> object:
        assert isinstance(values, list)
        return [None if value is None else prune(value) for value in values]

    return each


def _in_map(prune: Prune | None) -> Prune | None:
    if prune is None:
        return None

    def each(values: object) -> object:
        assert isinstance(values, dict)
        return {name: None if value is None else prune(value) for name, value in values.items()}

    return each
