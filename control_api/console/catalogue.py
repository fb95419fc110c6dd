"""The catalogue: the event types, their data, and the differences between the versions of their schemas."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from control_api.catalogue.schema_documents import DOCUMENTS
from control_api.console.api import InnerApi, Json
from control_api.console.page_request import PREFIX, Page, PageRequest, get
from control_api.console.schema_fields import Difference, differences, schema_fields
from control_api.plane import PLANE
from eventstreams.catalog import Catalog
from eventstreams.errors import CatalogError

PATH: Final = f"{PREFIX}catalogue"
WARNINGS: Final[Mapping[str, str]] = {
    "deprecated": "This type is deprecated: it is still delivered, but may be discontinued.",
    "restricted": "This type is restricted: existing subscribers get it, but it cannot be added.",
    "discontinued": "This type is discontinued: its events are no longer delivered.",
}
"""The warning to show for a type, by its status."""
ADDABLE: Final = frozenset({"available", "deprecated"})


@dataclass(frozen=True, slots=True)
class Group:
    """The types of one product, sorted by name."""

    title: str
    types: Sequence[Json]


async def groups(api: InnerApi, catalog: Catalog) -> Sequence[Group]:
    """All event types, by product in the catalogue's order."""
    by_product: dict[str, list[Json]] = {product: [] for product in catalog.products}
    for each in await api.listed("/v1/Types", key="types"):
        by_product[catalog.types[each["type"]].product].append(each)
    return [Group(catalog.products[product], types) for product, types in by_product.items() if types]


async def versions_of(api: InnerApi, schema_id: str) -> Sequence[Json]:
    """The versions of a schema, newest first."""
    return list(reversed(await api.listed("/v1/Schemas/{}/Versions", schema_id, key="schema_versions")))


async def document(api: InnerApi, schema_id: str, version: int) -> Json:
    """The JSON Schema of one version."""
    return await api.get("/schemas/{}/{}", schema_id, str(version))


async def between(api: InnerApi, schema_id: str, older: int, newer: int) -> Sequence[Difference]:
    """The differences between version ``older`` and version ``newer``."""
    return differences(await document(api, schema_id, older), await document(api, schema_id, newer))


def example_of(request: web.Request, event_type: str, version: int) -> Mapping[str, object] | None:
    """Example data of this event type, in a version of its schema; None if there is no example."""
    catalog = request.app[PLANE].catalog
    known = catalog.types[event_type]
    with suppress(CatalogError):  # in an operator's own folder, which was valid when the process started
        return request.app[DOCUMENTS].example(catalog.schemas[known.schema_id].versions[version - 1], known)
    return None


async def list_all(page: PageRequest) -> web.Response:
    found = await groups(page.api, page.request.app[PLANE].catalog)
    return page.render("catalogue/list.html", groups=found)


async def show(page: PageRequest) -> web.Response:
    """A type, with its schema in the newest version or in the requested one."""
    found = await page.api.get("/v1/Types/{}", page.name("type"))
    schema_id = found["schema_id"]
    versions = await versions_of(page.api, schema_id)
    newest = versions[0]["schema_version"]
    asked = page.request.query.get("version", "")
    # The API refuses a version that does not exist, in its own words.
    chosen = (await page.api.get("/v1/Schemas/{}/Versions/{}", schema_id, asked))["schema_version"] if asked else newest
    schema = await document(page.api, schema_id, chosen)
    return page.render(
        "catalogue/show.html",
        type=found,
        warning=WARNINGS.get(found["status"], ""),
        versions=versions,
        newest=newest,
        chosen=chosen,
        example=example_of(page.request, found["type"], chosen),
        fields=schema_fields(schema),
        changes=await between(page.api, schema_id, chosen - 1, chosen) if chosen > 1 else (),
        words=page.request.app[PLANE].catalog.schemas[schema_id].versions[chosen - 1].changes,
    )


PAGES: Final[tuple[Page, ...]] = (
    get("catalogue", list_all),
    get("catalogue/{type}", show),
)
