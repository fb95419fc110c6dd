"""The tables in SQLite.

Everything is in segments, each with tables of its own. Dropping one costs next to nothing, whereas deleting its rows
would cost as much as writing them did; and the indexes stay small enough to be updated in memory.

``$`` stands for the number of a segment. Repeated texts (SIDs, types, reasons, topics) are stored as numbers of
``name_$``. A place is one integer, see ``places``.

The cost of a row is the B-trees that it is put into, and their pages that a transaction writes. So rows are stored in
the order of an account's lists, which then need no index. ``part`` says which eighth of the segment a row is in, and
comes first in the indexes by event id: ids are random, so each would otherwise be written to a page of its own.
Those values of an entry that no search uses are one JSON list, ``more``: columns would cost as much as three B-trees.
"""

from typing import Final

APPLICATION_ID: Final = 0x45534C47  # "ESLG"
VERSION: Final = 3
PARTS: Final = 8
"""Parts of a segment: a search for an id looks in each, but writing many rows touches that many times fewer pages."""

BASE: Final = """
create table about (identity text not null);
create table position (
    topic text not null, partition integer not null, following integer not null, primary key (topic, partition)
) without rowid;
create table segment (
    id integer primary key, begun_ms integer not null, first_ms integer not null, last_ms integer not null,
    bytes integer not null
);
"""

SEGMENT: Final = """
create table name_$ (id integer primary key, text text not null unique);
create table event_$ (
    part integer not null, at integer not null, place integer not null, id text not null, account integer not null,
    type integer not null, time text not null, primary key (account, at, place)
) without rowid;
create index event_id_$ on event_$ (part, id);
create table entry_$ (
    part integer not null, at integer not null, place integer not null, account integer not null, kind integer not null,
    failed integer not null, event text not null, type integer not null, subscription integer not null, sink integer,
    reason integer, more blob not null, primary key (account, at, place)
) without rowid;
create index entry_event_$ on entry_$ (part, event);
create index entry_subscription_$ on entry_$ (subscription, at, place);
create index entry_sink_$ on entry_$ (sink, at, place);
create index entry_failed_$ on entry_$ (account, at, place) where failed = 1;
create index entry_failed_sink_$ on entry_$ (sink, at, place) where failed = 1;
create index entry_failed_subscription_$ on entry_$ (subscription, at, place) where failed = 1;
"""

DROP_SEGMENT: Final = "drop table name_$; drop table event_$; drop table entry_$; delete from segment where id = $;"

ADD_NAME: Final = "insert into name_$ values (?, ?)"
ADD_EVENT: Final = "insert or ignore into event_$ values (?, ?, ?, ?, ?, ?, ?)"
ADD_ENTRY: Final = "insert or ignore into entry_$ values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_POSITION: Final = "insert or replace into position values (?, ?, ?)"
ADD_SEGMENT: Final = "insert into segment values (?, ?, ?, ?, 0)"
GROW_SEGMENT: Final = "update segment set first_ms = ?, last_ms = ?, bytes = ? where id = ?"

SEGMENTS: Final = "select id, first_ms, last_ms from segment order by last_ms desc"
NAMES: Final = "select id, text from name_$ order by id"
NAME: Final = "select text from name_$ where id = ?"
NAME_ID: Final = "select id from name_$ where text = ?"
IN_ANY_PART: Final = f"part in ({', '.join(map(str, range(PARTS)))})"
EVENT_ROWS: Final = "select at, place, id, account, type, time from event_$ indexed by sqlite_autoindex_event_$_1"
EVENT: Final = (
    "select at, place, id, account, type, time from event_$ indexed by event_id_$ "  # noqa: S608 - ours
    f"where {IN_ANY_PART} and id = ? and at >= ? "
    "and account in (select id from name_$ where text in (select value from json_each(?))) "
    "order by at desc, place desc limit 1"
)
ENTRY_ROWS: Final = (
    "select at, place, account, kind, event, type, subscription, sink, reason, more from entry_$ indexed by {}"
)
BY_ACCOUNT: Final = "sqlite_autoindex_entry_$_1"  # the table itself; SQLite would prefer a smaller index
TALLY: Final = (
    "select subscription, sink, type, kind, count(*), min(at) from (select subscription, sink, type, kind, at "  # noqa: S608
    f"from entry_$ indexed by {BY_ACCOUNT} where account = ? and at >= ? and at < ? "
    "order by at desc, place desc limit ?) group by subscription, sink, type, kind"
)
TALLY_EVENTS: Final = (
    "select type, count(*), min(at) from (select type, at from event_$ indexed by sqlite_autoindex_event_$_1 "
    "where account = ? and at >= ? and at < ? order by at desc, place desc limit ?) group by type"
)
LAST_KINDS: Final = (  # with max(), SQLite returns the other columns of the same row
    "select event, subscription, kind, max(at) from entry_$ indexed by entry_event_$ "  # noqa: S608
    f"where account = ? and at >= ? and {IN_ANY_PART} and event in ({{}}) group by event, subscription"
)


def sql(template: str, segment: int) -> str:
    """``template`` for one segment."""
    return template.replace("$", str(segment))
