"""The tables in PostgreSQL, in a schema of their own: ``@`` stands for it, and ``$`` for the number of a segment.

``entry`` and ``event`` are partitioned by segment. Rows are written to the tables of the newest one, and searched in
all; dropping a segment costs next to nothing. A place is one integer, see ``places``.

Events are found by a hash index, which takes ids of any length. The other indexes have the order of search results.
"""

from typing import Final

from psycopg.sql import SQL

VERSION: Final = 2

TABLES: Final = ("about", "told", "position", "segment", "event", "entry")
"""All tables that were ever ours in the schema: those that a later release no longer uses stay in this list."""

BASE: Final = """
create table @.about (version integer not null, identity text not null);
create table @.told (at timestamptz not null, records bigint not null, read_until_ms bigint);
create table @.position (
    topic text not null, partition integer not null, following bigint not null, primary key (topic, partition)
);
create table @.segment (
    id integer primary key, begun_ms bigint not null, first_ms bigint not null, last_ms bigint not null,
    bytes bigint not null
);
create table @.event (
    segment integer not null, at bigint not null, place bigint not null, id text not null, account text not null,
    type text not null, time text not null
) partition by list (segment);
create table @.entry (
    segment integer not null, at bigint not null, place bigint not null, kind text not null, failed integer not null,
    event text not null, type text not null, account text not null, subscription text not null, sink text,
    sink_type text not null, attempt bigint not null, duration bigint, accepted bigint, deadline bigint,
    origin text not null, rest text, next bigint, reason text, code bigint, status bigint, detail text, answer text
) partition by list (segment);
"""

# Created and then attached, so that searches can go on meanwhile; `partition of` would block them.
SEGMENT: Final = """
create table @.event_$ (like @.event);
create unique index on @.event_$ (place, at);
create index on @.event_$ using hash (id);
create index on @.event_$ (account, at, place);
create table @.entry_$ (like @.entry);
create unique index on @.entry_$ (place, at);
create index on @.entry_$ using hash (event);
create index on @.entry_$ (account, at, place);
create index on @.entry_$ (subscription, at, place);
create index on @.entry_$ (sink, at, place);
create index on @.entry_$ (account, at, place) where failed = 1;
create index on @.entry_$ (subscription, at, place) where failed = 1;
create index on @.entry_$ (sink, at, place) where failed = 1;
alter table @.event attach partition @.event_$ for values in ($);
alter table @.entry attach partition @.entry_$ for values in ($);
"""

DROP_SEGMENT: Final = "drop table if exists @.event_$, @.entry_$; delete from @.segment where id = $"

EVENT_COLUMNS: Final = ("at", "place", "id", "account", "type", "time")
ENTRY_COLUMNS: Final = (
    *("place", "failed", "kind", "at", "event", "type", "account", "subscription", "sink", "sink_type", "attempt"),
    *("duration", "accepted", "deadline", "origin", "rest", "next", "reason", "code", "status", "detail", "answer"),
)
"""After the first two, in the order of ``Entry``."""

# One parameter for all rows, as JSON; the columns' types come from the table.
_ADD: Final = (
    "insert into {table} (segment, {columns}) select $, {columns} from json_populate_recordset(null::{table}, %s) "
    "on conflict do nothing"
)
ADD_EVENTS: Final = _ADD.format(table="@.event_$", columns=", ".join(EVENT_COLUMNS))
ADD_ENTRIES: Final = _ADD.format(table="@.entry_$", columns=", ".join(ENTRY_COLUMNS))
ADD_ABOUT: Final = "insert into @.about values (%s, %s)"
ADD_SEGMENT: Final = "insert into @.segment values (%s, %s, %s, %s, 0)"
ADD_POSITION: Final = (
    "insert into @.position values (%s, %s, %s) "
    "on conflict (topic, partition) do update set following = excluded.following"
)
GROW_SEGMENT: Final = """
update @.segment set first_ms = %s, last_ms = %s,
    bytes = pg_total_relation_size('@.event_$') + pg_total_relation_size('@.entry_$')
where id = $ returning bytes
"""
TELL: Final = "with old as (delete from @.told) insert into @.told values (clock_timestamp(), %s, %s)"
HEARD: Final = "select records, read_until_ms from @.told where at > clock_timestamp() - %s * interval '1 second'"

ABOUT: Final = "select version, identity from @.about"
SEGMENTS: Final = "select id, begun_ms, first_ms, last_ms, bytes from @.segment order by id"
POSITIONS: Final = "select topic, partition, following from @.position"

EVENT: Final = (
    "select at, place, id, account, type, time from @.event where id = %s and account = any(%s) and at >= %s "
    "order by at desc, place desc limit 1"
)
EVENTS: Final = "select at, place, id, account, type, time from @.event"
TALLY: Final = (
    "select subscription, sink, type, kind, count(*), min(at) "
    "from (select subscription, sink, type, kind, at from @.entry "
    "where account = %s and at >= %s and at < %s order by at desc, place desc limit %s) as newest "
    "group by subscription, sink, type, kind"
)
TALLY_EVENTS: Final = (
    "select type, count(*), min(at) from (select type, at from @.event "
    "where account = %s and at >= %s and at < %s order by at desc, place desc limit %s) as newest group by type"
)
# A lateral join for each event, so that the index on events is used, whatever the planner thinks.
LAST_KINDS: Final = (
    "select wanted.id, last.subscription, last.kind, last.at from unnest(%s::text[]) as wanted(id) cross join lateral "
    "(select distinct on (subscription) subscription, kind, at from @.entry "
    "where event = wanted.id and account = %s and at >= %s order by subscription, at desc, place desc) as last"
)
ENTRIES: Final = f"select {', '.join(ENTRY_COLUMNS)} from @.entry"  # noqa: S608 - ours


class Statements:
    """Fills in templates of statements for one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = f'"{schema}"'  # contains only letters, digits and _

    def sql(self, template: str, segment: int | None = None) -> SQL:
        """``template`` for our schema, and, if given, for one segment."""
        text = template.replace("@", self._schema)
        return SQL(text if segment is None else text.replace("$", str(segment)))
