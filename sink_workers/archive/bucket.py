"""Lists and reads the objects of an archive in S3, by day and event type, with AWS's own client (botocore)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple, Protocol, Self, runtime_checkable
from urllib.parse import quote, unquote

from eventstreams.errors import EventStreamsError, PrerequisiteError

MAX_OBJECT_BYTES: Final = 64 << 20  # our objects are a few MB; we did not write anything larger
_PLACE: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


class ArchiveError(EventStreamsError):
    """The archive cannot be read or replayed. The message is one sentence."""


class Place(NamedTuple):
    """The location of an archive. ``folder`` is empty or ends with a slash."""

    bucket: str
    folder: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``s3://bucket`` or ``s3://bucket/prefix``.

        Raises:
            ValueError: ``text`` is neither; the message is a sentence for the user.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is not an archive location: it must be s3://BUCKET or s3://BUCKET/PREFIX, with a bucket "
                "name of 3 to 63 characters"
            )
        prefix = (found[2] or "").strip("/")
        return cls(found[1], f"{prefix}/" if prefix else "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Selects a part of an archive: days from ``first`` to ``last`` inclusive, and ``types`` (none means all)."""

    first: date | None = None
    last: date | None = None
    types: Sequence[str] = ()

    def takes_day(self, day: str) -> bool:
        """Whether ``day`` is selected. A folder name that is not a date is selected only if there are no bounds."""
        if self.first is None and self.last is None:
            return True
        try:
            found = date.fromisoformat(day)
        except ValueError:
            return False
        return (self.first or found) <= found <= (self.last or found)


class Part(NamedTuple):
    """One day and type of an archive. If an event was stored twice, both copies are in the same part."""

    day: str
    type: str


@dataclass(frozen=True, slots=True)
class StoredAt:
    """An object in the bucket; ``size`` is in bytes."""

    key: str
    size: int


@runtime_checkable
class Client(Protocol):
    """The part of botocore's S3 client that is used here."""

    def list_objects_v2(self, **parameters: str) -> Mapping[str, object]: ...
    def get_object(self, **parameters: str) -> Mapping[str, object]: ...


@runtime_checkable
class _Body(Protocol):
    def read(self) -> bytes: ...


class Archive:
    """Reads one archive. Every method raises ArchiveError if S3 does not answer or refuses the request."""

    def __init__(self, place: Place, client: Client) -> None:
        self._place = place
        self._client = client

    @classmethod
    def open(cls, place: Place, *, region: str | None, endpoint_url: str | None) -> Self:
        """Create a client with the credentials that AWS's clients find on this machine.

        Raises:
            PrerequisiteError: botocore is not installed.
            ArchiveError: no client can be made from these arguments; says why.
        """
        try:
            from botocore.config import Config  # noqa: PLC0415 - needs the extra
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415
            from botocore.session import Session  # noqa: PLC0415
        except ImportError:
            raise PrerequisiteError("reading an archive needs botocore: pip install 'eventstreams[s3]'") from None
        try:
            session = Session()
            client: object = session.create_client(
                "s3",
                region_name=region or session.get_config_variable("region") or "us-east-1",
                endpoint_url=endpoint_url,
                config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": 5}),
            )
        except (BotoCoreError, ValueError) as error:
            raise ArchiveError(f"S3 cannot be accessed: {error}") from error
        assert isinstance(client, Client)
        return cls(place, client)

    def parts(self, wanted: Wanted) -> Iterator[Part]:
        """The selected days and types, in order. If ``wanted`` names types, parts without objects are included."""
        for day in self._folders("day="):
            if not wanted.takes_day(day):
                continue
            if wanted.types:
                yield from (Part(day, each) for each in sorted(set(wanted.types)))
            else:
                yield from (Part(day, unquote(each)) for each in self._folders(f"day={day}/type="))

    def objects(self, part: Part) -> Iterator[StoredAt]:
        """The objects of ``part``, sorted by name, that is, by the time of their first event."""
        prefix = f"{self._place.folder}day={part.day}/type={quote(part.type, safe='')}/"
        for page in self._pages(Prefix=prefix):
            for each in _items(page, "Contents"):
                key, size = each["Key"], each["Size"]
                assert isinstance(key, str)
                assert isinstance(size, int)
                if key.endswith((".avro", ".jsonl.gz")):
                    yield StoredAt(key, size)

    def read(self, stored: StoredAt) -> bytes:
        """Return the whole content of an object."""
        if stored.size > MAX_OBJECT_BYTES:
            raise ArchiveError(f"{stored.key} has {stored.size:,} bytes, which no object of an S3 sink has")
        with _explained(f"read s3://{self._place.bucket}/{stored.key}"):
            body = self._client.get_object(Bucket=self._place.bucket, Key=stored.key)["Body"]
            assert isinstance(body, _Body)
            return body.read()

    def _folders(self, start: str) -> Iterator[str]:
        """The names of the folders that begin with ``start``, without it, in order."""
        prefix = f"{self._place.folder}{start}"
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            for each in _items(page, "CommonPrefixes"):
                folder = each["Prefix"]
                assert isinstance(folder, str)
                yield folder.removeprefix(prefix).rstrip("/")

    def _pages(self, **parameters: str) -> Iterator[Mapping[str, object]]:
        going = True
        while going:
            with _explained(f"list s3://{self._place.bucket}/{parameters['Prefix']}"):
                page = self._client.list_objects_v2(Bucket=self._place.bucket, **parameters)
            yield page
            parameters["ContinuationToken"] = str(page.get("NextContinuationToken", ""))
            going = bool(page.get("IsTruncated"))


def _items(page: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    found = page.get(name, ())
    assert isinstance(found, Sequence)
    return found


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Turn botocore's errors into an ArchiveError: one sentence that says what failed and why."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415 - needs the extra

    try:
        yield
    except ClientError as error:
        found = error.response.get("Error", {})
        raise ArchiveError(f"S3 refuses to {doing}: {found.get('Code')}: {found.get('Message')}") from error
    except (BotoCoreError, HTTPClientError) as error:  # no credentials, no answer, a connection that broke off
        raise ArchiveError(f"cannot {doing}: {error}") from error
