"""What happened to every event of the demo, and whether the figures add up. No I/O."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Events by id.

    Attributes:
        accepted: When the broker accepted each, in ms since the epoch.
        delivered: When the receiver first answered 2xx, in ms since the epoch.
        dead: Reason of each dead letter.
        deliveries: Events answered 2xx, counted per delivery; those beyond ``delivered`` are duplicates.
        bad_signatures: Requests whose signature the official validator refused.
        counted: Copies on the subscription's topic, by the router's metric, which is polled.
        retries: Attempts that failed and were put on a retry topic, by the worker's metric, which is polled.
    """

    accepted: dict[str, int] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)
    deliveries: int = 0
    bad_signatures: int = 0
    counted: int = 0
    retries: int = 0

    @property
    def waiting(self) -> int:
        """Accepted events that are neither delivered nor dead letters."""
        return len(self.accepted.keys() - self.delivered.keys() - self.dead.keys())

    @property
    def routed(self) -> int:
        """Events on the subscription's topic: at least those that were delivered from there."""
        return max(self.counted, len(self.delivered))

    @property
    def duplicates(self) -> int:
        return self.deliveries - len(self.delivered)

    @property
    def dead_by_reason(self) -> Counter[str]:
        return Counter(self.dead.values())

    def latency_ms(self, share: float) -> int | None:
        """Return the quantile ``share`` (0 to 1) of the ms from accepted to delivered; None without deliveries."""
        known = self.delivered.keys() & self.accepted.keys()
        took = sorted(self.delivered[event_id] - self.accepted[event_id] for event_id in known)
        return took[min(int(share * len(took)), len(took) - 1)] if took else None

    def problems(self) -> list[str]:
        """Return why the demo failed; empty if every accepted event was delivered or is a dead letter, and no other."""
        ended = self.delivered.keys() | self.dead.keys()
        both = self.delivered.keys() & self.dead.keys()
        checks = (
            (not self.accepted, "no event was accepted"),
            (self.waiting, f"{self.waiting} accepted events are neither delivered nor dead letters"),
            (
                ended - self.accepted.keys(),
                f"{len(ended - self.accepted.keys())} events were delivered that were never accepted",
            ),
            (both, f"{len(both)} events were delivered and are dead letters as well"),
            (self.bad_signatures, f"{self.bad_signatures} requests had a signature that the validator refused"),
        )
        return [text for failed, text in checks if failed]
