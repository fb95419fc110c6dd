"""Distributes test files so that a process of lower priority computes while the others wait."""

from typing import Final

from typing_extensions import override
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

_UNIT: Final = "tests/unit/"


class NiceScheduling(LoadFileScheduling):
    """Like ``--dist loadfile``, but processes that were started with ``nice`` get only unit tests, from the end.

    Unit tests compute; tests of whole systems mostly wait, for brokers, leases and retries. If they ran one after the
    other, cores would be idle at first and scarce later. With ``nice=5`` such a process gets a third of what another
    gets if both want a core, and the whole core if nobody else does.
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
