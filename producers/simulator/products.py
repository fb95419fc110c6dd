"""The products that can be simulated: ours, and those in the entry-point group ``eventstreams.stories``."""

from collections.abc import Mapping, Sequence
from typing import Final

from eventstreams.errors import PluginError
from eventstreams.installed import entry_points
from producers.simulator.stories import (
    commsapi,
    compliance,
    conversations,
    errorlogs,
    iam,
    intelligence,
    linkshortening,
    lookup,
    messaging,
    notify,
    studio,
    supersim,
    taskrouter,
    verify,
    video,
    voice,
)
from producers.simulator.story import SimulatedProduct

GROUP: Final = "eventstreams.stories"
_OURS: Final = (
    messaging.PRODUCT,
    voice.PRODUCT,
    taskrouter.PRODUCT,
    conversations.PRODUCT,
    verify.PRODUCT,
    studio.PRODUCT,
    linkshortening.PRODUCT,
    commsapi.PRODUCT,
    video.PRODUCT,
    lookup.PRODUCT,
    notify.PRODUCT,
    compliance.PRODUCT,
    iam.PRODUCT,
    errorlogs.PRODUCT,
    supersim.PRODUCT,
    intelligence.PRODUCT,
)


def known_products() -> Mapping[str, SimulatedProduct]:
    """All products that can be simulated, by name: ours first, then the installed ones in order of their names.

    Raises:
        PluginError: an installed one cannot be loaded, is not a ``SimulatedProduct``, or has a name that is taken.
    """
    found = {product.name: product for product in _OURS}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            product = entry.load()
        except Exception as error:  # foreign modules may raise anything
            raise PluginError(f"stories {entry.value} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(product, SimulatedProduct):
            raise PluginError(f"stories {entry.value} are not a SimulatedProduct")
        if product.name in found:
            raise PluginError(f"stories {entry.value} belong to product {product.name!r}, which already has stories")
        found[product.name] = product
    return found


def default_products() -> Sequence[SimulatedProduct]:
    """The products that are simulated by default."""
    return [product for product in known_products().values() if product.by_default]
