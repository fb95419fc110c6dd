"""Links in messages: shortened when the message is sent, and clicked by some recipients, sometimes repeatedly."""

from typing import Final

from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_CLICKED: Final = 0.4
_P_AGAIN: Final = 0.2
_PAGES: Final = ("sale", "orders", "track", "feedback")
_BROWSERS: Final = ("Mozilla/5.0 (iPhone)", "Mozilla/5.0 (Linux; Android 15)", "Mozilla/5.0 (Windows NT 10.0)")
_PREFIX: Final = "com.twilio.daptbt.link-shortening"


def link(scene: Scene) -> Story:
    """A link from its shortening to its last click."""
    page = scene.pick(_PAGES)
    data: dict[str, object] = {
        "message_sid": scene.sid("SM"),
        "account_sid": scene.company.account_sid,
        "messaging_service_sid": scene.company.sid("MG"),
        "to": scene.customer().number,
        "from": scene.pick(scene.company.phones).number,
        "link": f"https://shop.example/{page}",
        "shortened_link": f"https://s.example/{scene.rng.getrandbits(40):010x}",
        "link_create_time": scene.stamp,
    }
    key = str(data["message_sid"])
    yield scene.event(f"{_PREFIX}.link-shortened", "/v1/LinkShortening/Links", data, key=key)
    chance = _P_CLICKED
    while scene.happens(chance):
        scene.wait_about(180, spread=1)
        clicked = {**data, "click_time": scene.stamp, "user_agent": scene.pick(_BROWSERS)}
        yield scene.event(f"{_PREFIX}.link-clicked", "/v1/LinkShortening/Clicks", clicked, key=key)
        chance = _P_AGAIN


PRODUCT: Final = SimulatedProduct("linkshortening", 5, {link: 1})
