"""Builds the OpenAPI document from declared operations. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from typing_extensions import override

from control_api.http.codes import Code
from control_api.http.declared import Caller, Document, Listed, Listed2010, One, Operation, Parameter
from control_api.http.forms import FORM, JSON, MAX_BODY_BYTES
from control_api.http.paging import DEFAULT_SIZE, MAX_SIZE
from eventstreams import __version__
from eventstreams.client.accounts import Page2010
from eventstreams.client.models import ErrorBody, Meta
from eventstreams.http import ErrorCode

Json = dict[str, object]
_MODELS: Final = "#/components/schemas/"
_ABOUT: Final = f"""\
Controls where product events go, and shows what becomes of them. Wire-compatible with Twilio's Event Streams, with
extensions.

Request bodies are forms (`{FORM}`, at most {MAX_BODY_BYTES >> 10} KiB); extensions also accept JSON objects.
Responses are JSON.
Every refusal is an `ErrorBody`, whose `code` is the same as Twilio's. Resources that do not exist, or that belong to
another account, are 404; a method that a path does not support is 405 (20004).
"""
_PAGING: Final[Sequence[tuple[str, str, Json]]] = (
    (
        "PageSize",
        f"Items per page; values above {MAX_SIZE} count as {MAX_SIZE}.",
        {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": DEFAULT_SIZE},
    ),
    ("Page", "Number of the page, from 0.", {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0}),
    ("PageToken", "Where the page continues; it is part of `meta.next_page_url`.", {"type": "string"}),
)
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A unique name for this request, such as a UUID: if the request is sent again with it within a "
    "day, it is not carried out again but gets the same response.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_SECURITY: Final = {
    Caller.ACCOUNT: {
        "type": "http",
        "scheme": "basic",
        "description": "Account SID and auth token, or an API key's SID and secret.",
    },
    Caller.OPERATOR: {
        "type": "http",
        "scheme": "basic",
        "description": "The user `operator` and the operator's token.",
    },
}
_WAYS: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", "How to authenticate."),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "Seconds."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After", "Seconds."),
}
_WRITES: Final = ("POST", "DELETE")
# Python has these phrases of RFC 9110 from 3.13 on: so the document is the same on every version.
_PHRASES: Final = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
}
_MEANINGS: Final[Mapping[int, str]] = {int(each): each.meaning for each in (*ErrorCode, *Code)}


class _Generator(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    @override
    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def openapi_document(operations: Sequence[Operation]) -> Json:
    """The OpenAPI 3.1 document as JSON."""
    paths: dict[str, Json] = defaultdict(dict)
    for each in operations:
        paths[each.path][each.method.lower()] = _operation(each)
    callers = {each.caller for each in operations}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Event Streams",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "./", "description": "Location of this document."}],
        "tags": [{"name": group} for group in dict.fromkeys(each.group for each in operations)],
        "paths": dict(paths),
        "components": {
            "schemas": _schemas(operations),
            "parameters": {
                "IdempotencyKey": _KEY,
                **{
                    name: {"name": name, "in": "query", "description": said, "schema": schema}
                    for name, said, schema in _PAGING
                },
            },
            "responses": {
                _refusal_name(status, codes): _refusal(status, codes)
                for each in operations
                for status, codes in refusals(each).items()
            },
            "securitySchemes": {each.value: _SECURITY[each] for each in _SECURITY if each in callers},
        },
    }


def refusals(operation: Operation) -> Mapping[HTTPStatus, Sequence[int]]:
    """The statuses and codes that ``operation`` may be refused with, including the general ones."""
    found: dict[HTTPStatus, set[int]] = defaultdict(set)
    for status, code in (*_general(operation), *operation.refusals):
        found[status].add(int(code))
    return {status: sorted(found[status]) for status in sorted(found)}


def _general(operation: Operation) -> Iterator[tuple[HTTPStatus, int]]:
    yield HTTPStatus.BAD_REQUEST, ErrorCode.BAD_PARAMETER
    yield HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE
    if operation.caller is not Caller.ANYBODY:
        yield HTTPStatus.UNAUTHORIZED, ErrorCode.UNAUTHENTICATED
        yield HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN
        yield HTTPStatus.TOO_MANY_REQUESTS, ErrorCode.TOO_MANY_REQUESTS
    if operation.names:
        yield HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND
    if isinstance(operation.answer, Listed | Listed2010):
        yield HTTPStatus.BAD_REQUEST, Code.BAD_PAGINATION
    if operation.method in _WRITES:
        yield HTTPStatus.REQUEST_TIMEOUT, ErrorCode.TIMED_OUT
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ErrorCode.TOO_LARGE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE, ErrorCode.UNSUPPORTED_MEDIA_TYPE
    if operation.method == "POST":
        yield HTTPStatus.UNPROCESSABLE_ENTITY, ErrorCode.BAD_PARAMETER


def _operation(operation: Operation) -> Json:
    found: Json = {
        "operationId": operation.name,
        "tags": [operation.group],
        "summary": operation.summary,
        **({"description": operation.description} if operation.description else {}),
        "security": [] if operation.caller is Caller.ANYBODY else [{operation.caller.value: []}],
        "parameters": list(_parameters(operation)),
    }
    if operation.form:
        needed = [each.name for each in operation.form if each.required]
        schema: Json = {
            "type": "object",
            "properties": {each.name: _field(each) for each in operation.form},
            **({"required": needed} if needed else {}),
        }
        kinds = (FORM, JSON) if operation.takes_json else (FORM,)
        found["requestBody"] = {"required": bool(needed), "content": {kind: {"schema": schema} for kind in kinds}}
    answers = {f"{status:d}": _answer(operation, status) for status in operation.statuses}
    refused = {
        f"{status:d}": {"$ref": f"#/components/responses/{_refusal_name(status, codes)}"}
        for status, codes in refusals(operation).items()
    }
    return {**found, "responses": {**answers, **refused}}


def _parameters(operation: Operation) -> Iterator[Json]:
    for each in operation.names:
        yield {**_described(each, "path"), "required": True}
    for each in operation.query:
        yield _described(each, "query")
    if isinstance(operation.answer, Listed | Listed2010):
        for name, _, _ in _PAGING:
            yield {"$ref": f"#/components/parameters/{name}"}
    if operation.method == "POST":
        yield {"$ref": "#/components/parameters/IdempotencyKey"}


def _described(parameter: Parameter, place: str) -> Json:
    schema = {"type": "array", "items": parameter.schema} if parameter.repeated else parameter.schema
    said: Json = {"name": parameter.name, "in": place, "description": parameter.description, "schema": schema}
    return {**said, "required": True} if parameter.required else said


def _field(parameter: Parameter) -> Json:
    if parameter.repeated:
        least = {"minItems": 1} if parameter.required else {}
        return {"type": "array", "description": parameter.description, "items": parameter.schema, **least}
    return {"description": parameter.description, **parameter.schema}


def _answer(operation: Operation, status: HTTPStatus) -> Json:
    found: Json = {"description": _phrase(status)}
    match operation.answer:
        case One(model):
            found["content"] = {"application/json": {"schema": _reference(model)}}
        case Listed(key, model, also):
            properties = {
                key: {"type": "array", "items": _reference(model)},
                "meta": _reference(Meta),
                **{name: {"anyOf": [_reference(each), {"type": "null"}]} for name, each in also.items()},
            }
            schema = {"type": "object", "properties": properties, "required": list(properties)}
            found["content"] = {"application/json": {"schema": schema}}
        case Listed2010(key, model):
            listed = {"type": "array", "items": _reference(model)}
            page: Json = {**_reference(Page2010), "type": "object", "properties": {key: listed}, "required": [key]}
            found["content"] = {"application/json": {"schema": page}}
        case Document(media_type):
            found["content"] = {media_type: {"schema": {}}}
        case None:
            pass
    if operation.method == "POST":
        found["headers"] = {
            "Idempotency-Replayed": {
                "description": "`true` if the request was already carried out before.",
                "schema": {"const": "true"},
            }
        }
    return found


def _phrase(status: HTTPStatus) -> str:
    return _PHRASES.get(status, status.phrase)


def _refusal_name(status: HTTPStatus, codes: Sequence[int]) -> str:
    """The name of a refusal, which equal refusals share."""
    return "-".join(map(str, (int(status), *codes)))


def _refusal(status: HTTPStatus, codes: Sequence[int]) -> Json:
    found: Json = {
        "description": f"{_phrase(status)}. {'; '.join(f'{code}: {_MEANINGS[code]}' for code in codes)}.",
        "content": {
            "application/json": {"schema": {**_reference(ErrorBody), "properties": {"code": {"enum": list(codes)}}}}
        },
    }
    if status in _WAYS:
        name, said = _WAYS[status]
        found["headers"] = {name: {"description": said, "schema": {"type": "string"}}}
    return found


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": f"{_MODELS}{model.__name__}"}


def _models(operations: Iterable[Operation]) -> Iterator[type[BaseModel]]:
    yield from (ErrorBody, Meta)
    for each in operations:
        match each.answer:
            case One(model):
                yield model
            case Listed(_, model, also):
                yield model
                yield from also.values()
            case Listed2010(_, model):
                yield from (model, Page2010)
            case Document() | None:
                pass


def _schemas(operations: Sequence[Operation]) -> Json:
    models = sorted(set(_models(operations)), key=lambda each: each.__name__)
    wanted: list[tuple[type[BaseModel], Literal["validation", "serialization"]]]
    wanted = [(each, "serialization") for each in models]
    _, found = models_json_schema(wanted, ref_template=f"{_MODELS}{{model}}", schema_generator=_Generator)
    schemas: Json = found["$defs"]
    return schemas
