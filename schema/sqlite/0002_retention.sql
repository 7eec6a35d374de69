-- What has left this journal because it is old and at the centre (DESIGN sections 1 and 6, src/store/prune.h).

-- Where the journal stood when the first op of a day (milliseconds / 86400000) came: what is at pos or before is older. Ops
-- of other sites carry their own times, so their age here is told by this alone.
CREATE TABLE journal_day (
    day INTEGER PRIMARY KEY,
    pos INTEGER NOT NULL
) STRICT;

-- Messages of a node number (their id >> 41) up to message_id are at the centre only, but for the newest of each room.
CREATE TABLE history_floor (
    node       INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL
) STRICT;

-- The newest message that has left a room: from there on backwards, what is here of the room is not all.
CREATE TABLE room_horizon (
    room_id    INTEGER PRIMARY KEY,
    hlc        INTEGER NOT NULL,
    message_id INTEGER NOT NULL
) STRICT;
