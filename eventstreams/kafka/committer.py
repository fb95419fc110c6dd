"""A consumer's commits, and what Kafka answers to them. **The only place that commits**, except Faust in the router.

All of it but ``ask`` is used on the consumer's thread only. Between polls commits are asynchronous. While a drain is
awaited they are synchronous, because the client reports no other commit before the revocation's callback has ended.
"""

import logging
import queue
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from eventstreams.kafka.commits import Commit, Commits, for_client, found_commit, is_answer, not_committed
from eventstreams.kafka.committed import found_commits
from eventstreams.kafka.records import Partition
from eventstreams.kafka.refusals import Refusals

_LOG: Final = logging.getLogger(__name__)
_AWAY_S: Final = 10.0  # a coordinator that takes longer to answer has let most members' sessions expire


class _Asked(NamedTuple):
    """See ``Committer.ask``."""

    commits: Commits
    joins: Mapping[Partition, int]
    number: int


class Committer:
    """Commits of the partitions in ``ours``."""

    def __init__(
        self,
        ours: Mapping[Partition, int],
        *,
        group: str,
        refusals: Refusals,
        confirmed: Callable[[int], None],
        not_committed: Callable[[Sequence[Partition]], None],
    ) -> None:
        """Commit nothing yet.

        Args:
            ours: The join at which each partition of the consumer was assigned; its owner keeps it up to date.
            group: The consumer's group id.
            refusals: Told whether Kafka denies the group.
            confirmed: Called when Kafka accepts commits, with the number of the one that it has answered.
            not_committed: Called when committing these failed, or an earlier commit has overwritten the last one.
        """
        self._ours = ours
        self._group = group
        self._refusals = refusals
        self._on_confirmed = confirmed
        self._on_not_committed = not_committed
        self._asked: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._sent: dict[Partition, Commit] = {}  # the last commit of each
        self._confirmed: dict[Partition, Commit] = {}  # the last one of each that Kafka has confirmed
        self._under_way: deque[int] = deque()  # the numbers of commits that are not answered yet
        self._answered = 0  # the greatest number that surely was
        self._takes_notes = True  # False once Kafka has refused a note for its length
        self._is_closing = False

    def ask(self, commits: Commits, joins: Mapping[Partition, int], number: int) -> None:
        """Ask for ``commits``, except those of partitions that were lost or reassigned since the join in ``joins``.

        ``number`` is greater with each call. May be called from any thread.
        """
        self._asked.put(_Asked(commits, joins, number))

    def send(self, client: Consumer) -> None:
        """Send what was asked for; ``answered`` gets the answer."""
        commits, number = self._newest()
        if not commits:
            return
        self._sent.update(commits)
        try:
            client.commit(offsets=for_client(commits, notes=self._takes_notes), asynchronous=True)
            self._under_way.append(number)
        except KafkaException as error:
            _LOG.warning("offset.commit_failed: %s", error)
            self._on_not_committed(list(commits))

    def send_and_wait(self, client: Consumer) -> None:
        """Send what was asked for, and wait for the answer; without a coordinator, for ``_AWAY_S`` seconds."""
        commits, number = self._newest()
        if not commits:
            return
        self._sent.update(commits)
        failed = self._commit_now(client, commits)
        self._refused(failed)
        self._confirmed.update({at: commit for at, commit in commits.items() if at not in failed})
        if is_answer(failed):
            self._answered = number
            self._on_confirmed(number)

    def send_last(self, client: Consumer, commits: Commits) -> None:
        """Commit partitions that are being revoked, as far as it is not done, and wait; their next owner starts there.

        All other partitions are paused until this ends, and if a topic is gone a commit takes a third of a second.
        """
        commits = {at: commit for at, commit in commits.items() if self._confirmed.get(at) != commit}
        if not commits:
            return
        if failed := self._commit_now(client, commits):
            # The next owner repeats what we have settled since the last commit: duplicates, no loss.
            _LOG.warning("offset.commit_failed: at revocation: %s", next(iter(failed.values())).str())
        if is_answer(failed):
            self._on_confirmed(self._answered)

    def answered(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Take the answer to what was sent: the client's callback."""
        # The client reports each of these commits once, and no synchronous one. Of one that it had to resend it reports
        # after later ones; until then the number is too small.
        if self._under_way:
            self._answered = max(self._answered, self._under_way.popleft())
        failed = not_committed(error, partitions)
        self._refused(failed)
        taken_back = []
        for each in partitions:
            at = Partition(each.topic, each.partition)
            if at not in failed and at in self._ours and (commit := found_commit(each)):
                if (sent := self._sent.get(at)) is not None and self._confirmed.get(at) == sent != commit:
                    taken_back.append(at)
                self._confirmed[at] = commit
        if taken_back:
            # The client resends a commit that a coordinator refused because it was still starting. A later commit may
            # have been accepted meanwhile, and the broker lets the older one overwrite it. (One that was answered while
            # a drain was awaited looks the same, and is only committed once more.)
            self._on_not_committed(taken_back)
        if is_answer(failed):
            self._refusals.allowed("group", [self._group])
            self._on_confirmed(self._answered)

    def let_go(self, partitions: Sequence[Partition]) -> None:
        """Forget ``partitions``, which are no longer ours."""
        for partition in partitions:
            self._sent.pop(partition, None)
            self._confirmed.pop(partition, None)

    def closing(self) -> None:
        """Note that the client is being closed from now on: it answers no question then."""
        self._is_closing = True

    def begin_anew(self) -> None:
        """Forget everything that was sent: the client is replaced, and no answer will come."""
        for kept in (self._sent, self._confirmed, self._under_way):
            kept.clear()

    def _newest(self) -> tuple[Commits, int]:
        """The last commit of each partition that was asked for, and the greatest number."""
        # One request for all: after seconds in a callback there is a queue, and its earlier offsets are of no use.
        commits: dict[Partition, Commit] = {}
        number = self._answered
        while not self._asked.empty():
            asked = self._asked.get()
            commits.update(self._still_ours(asked))
            number = asked.number
        return commits, number

    def _still_ours(self, asked: _Asked) -> Commits:
        # A partition that was released is already committed further on, and the broker would accept this older offset
        # too. That holds even if the partition has come back meanwhile.
        joins = asked.joins
        return {at: commit for at, commit in asked.commits.items() if at in joins and self._ours.get(at) == joins[at]}

    def _commit_now(self, client: Consumer, commits: Commits) -> Mapping[Partition, KafkaError]:
        """Commit and wait; returns which were not committed, and why. (If some were not, the client says so of all.)"""
        # A synchronous commit has no time limit: if the coordinator is connected but silent, or has vanished from the
        # network, the client (2.16) repeats the request until that broker is back. A question has one.
        if not self._is_closing and (error := self._no_coordinator(client, next(iter(commits)))):
            return dict.fromkeys(commits, error)
        try:
            client.commit(offsets=for_client(commits, notes=self._takes_notes), asynchronous=False)
        except KafkaException as error:
            return dict.fromkeys(commits, error.args[0])
        return {}

    @staticmethod
    def _no_coordinator(client: Consumer, at: Partition) -> KafkaError | None:
        """Why the group's coordinator does not say what is committed of ``at``; None if it answers."""
        try:
            found_commits(client, [at], within_s=_AWAY_S)
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            return None if is_answer({at: error}) else error
        return None

    def _refused(self, failed: Mapping[Partition, KafkaError]) -> None:
        if not failed:
            return
        if any(each.code() == KafkaError.OFFSET_METADATA_TOO_LARGE for each in failed.values()):
            self._takes_notes = False
        if any(each.code() == KafkaError.GROUP_AUTHORIZATION_FAILED for each in failed.values()):
            self._refusals.refused("group", self._group)
        else:
            first = next(iter(failed.values())).str()
            _LOG.warning("offset.commit_failed: of %d partitions: %s", len(failed), first)
        self._on_not_committed(list(failed))
