"""Gives out files of tests so that a process of lower priority computes where the others wait."""

from typing import Final

from typing_extensions import override
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

_UNIT: Final = "tests/unit/"


class NiceScheduling(LoadFileScheduling):
    """As ``--dist loadfile``, but processes that were started with ``nice`` take unit tests alone, from the end.

    Unit tests compute; tests of whole systems mostly wait, for brokers, leases and retries. One after the other, the
    cores stand still at first and are too few later. With ``nice=5`` such a process gets a third of what another one
    gets where both want a core, and the whole core where nobody else does.
    """

    @override
    def _assign_work_unit(self, node: WorkerController) -> None:
        if node.gateway.spec.nice:
            mine = next((name for name in reversed(self.workqueue) if name.startswith(_UNIT)), None)
            if mine is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(mine, last=False)
        super()._assign_work_unit(node)
