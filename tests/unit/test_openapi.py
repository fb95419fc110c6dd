"""The API's document: valid, of every route, and what is in docs/."""

import re
from pathlib import Path

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from control_api.catalogue.event_types import fetch
from control_api.http.declared import Listed, One, Operation, text
from control_api.http.forms import MAX_BODY_BYTES
from control_api.openapi.document import openapi_document
from control_api.openapi.page import POLICY, page
from control_api.operations import ALL, OPERATIONS
from eventstreams.client.values import DeliveryState, SinkHealth
from eventstreams.filters import Verdict
from tests.support.contract import OF_THE_PROCESS
from tests.support.routes import routes

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = orjson.loads(orjson.dumps(openapi_document(ALL)))


def test_no_route_is_there_that_the_document_does_not_have_and_none_the_other_way_round() -> None:
    documented = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}

    assert documented == {(method, path) for method, path in routes() if path not in OF_THE_PROCESS}


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_in_docs_is_the_one_that_is_served() -> None:
    assert orjson.loads((DOCS / "openapi.json").read_bytes()) == DOCUMENT


def test_no_two_operations_and_no_two_objects_have_one_name() -> None:
    names = [each.name for each in ALL]

    assert len(set(names)) == len(names)
    assert not [name for name in DOCUMENT["components"]["schemas"] if "__" in name]  # what pydantic makes of two


def test_every_operation_refuses_in_the_one_form() -> None:
    for each in DOCUMENT["components"]["responses"].values():
        schema = each["content"]["application/json"]["schema"]
        assert schema["$ref"] == "#/components/schemas/ErrorBody"
        assert schema["properties"]["code"]["enum"]


def test_every_list_can_be_paged() -> None:
    listed = [each for each in ALL if isinstance(each.answer, Listed)]

    assert listed
    for each in listed:
        parameters = DOCUMENT["paths"][each.path]["get"]["parameters"]
        assert {"$ref": "#/components/parameters/PageToken"} in parameters


def test_every_post_takes_an_idempotency_key_and_nothing_else_does() -> None:
    key = {"$ref": "#/components/parameters/IdempotencyKey"}

    for item in DOCUMENT["paths"].values():
        for method, operation in item.items():
            assert (key in operation["parameters"]) is (method == "post")


def test_names_in_a_path_that_are_not_declared_are_refused() -> None:
    with pytest.raises(ValueError, match="other names"):
        Operation(
            name="Fetch",
            method="GET",
            path="/v1/Types/{type}",
            handler=fetch,
            group="g",
            summary="s",
            names=(text("name", "Wrong."),),
            answer=None,
        )


def test_the_page_has_every_operation_and_every_object_and_runs_and_fetches_nothing() -> None:
    html = page(DOCUMENT)

    for each in ALL:
        assert f'id="{each.name}"' in html
    for name in DOCUMENT["components"]["schemas"]:
        assert f'id="object-{name}"' in html
    assert not re.search(r"<script|<link|<img|src=|\bon\w+=", html)
    assert set(re.findall(r'href="([^#][^"]*)"', html)) == {"openapi.json"}
    assert "default-src 'none'" in POLICY


def test_what_the_document_says_cannot_become_markup() -> None:
    hostile = {**DOCUMENT, "info": {**DOCUMENT["info"], "title": "<script>", "description": "`<img>` &"}}

    html = page(hostile)

    assert "<script" not in html
    assert "<code>&lt;img&gt;</code> &amp;" in html


def test_enumerations_name_the_values_of_today() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["SinkHealth"]["enum"] == [*SinkHealth]
    assert schemas["DeliveryState"]["enum"] == [*DeliveryState]
    assert schemas["FilterVerdict"]["enum"] == [*Verdict]


def test_the_body_bound_in_the_description_is_the_one_that_holds() -> None:
    assert f"{MAX_BODY_BYTES >> 10} KiB" in DOCUMENT["info"]["description"]


def test_the_references_operations_are_22() -> None:
    assert len(OPERATIONS) == 22
    assert all(not isinstance(each.answer, One) or each.answer.model.__doc__ for each in ALL)
