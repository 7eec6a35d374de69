-- The journal and the tables its ops are applied to (DESIGN sections 1, 3, 4, 6).
-- Times are milliseconds since 1970 UTC; hlc and stamps are milliseconds << 16 | logical. Ids are node << 41 | counter.
-- No foreign keys: a receipt may come before its message. A pair (stamp, node) says which write of a value was the last.

-- Who we are and how far we have come: one row, rewritten by every transaction.
CREATE TABLE self (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    uuid        TEXT    NOT NULL,               -- of this journal
    epoch       INTEGER NOT NULL,
    node        INTEGER NOT NULL,               -- our namespace of ids, 0..4095
    seq         INTEGER NOT NULL,               -- of our newest op; the next is one more
    hlc         INTEGER NOT NULL,               -- never goes back
    chain       BLOB    NOT NULL,               -- of our newest op
    users       INTEGER NOT NULL,               -- how many ids of each kind we have given
    rooms       INTEGER NOT NULL,
    members     INTEGER NOT NULL,
    messages    INTEGER NOT NULL,
    pushed_seq  INTEGER NOT NULL DEFAULT 0,     -- own ops up to here are at the centre
    centre_uuid TEXT    NOT NULL DEFAULT ''     -- empty: never met one
) STRICT;

-- This server's own order of everything, local and remote: pos is what offsets mean. (node, seq) is the origin's order.
CREATE TABLE journal (
    pos     INTEGER PRIMARY KEY AUTOINCREMENT,
    node    INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,                   -- hlc
    kind    INTEGER NOT NULL,                   -- enum op_kind, src/store/op.h
    version INTEGER NOT NULL,
    room_id INTEGER,                            -- the one room it is about, if there is one
    user_id INTEGER,                            -- the one user it is about, if there is one
    body    TEXT    NOT NULL,                   -- compact JSON, byte for byte
    chain   BLOB    NOT NULL                    -- BLAKE2b-128, src/store/chain.h
) STRICT;
CREATE INDEX journal_room ON journal (room_id) WHERE room_id IS NOT NULL;   -- and pos, as every index

-- Positions of ops about several rooms: with journal_room, all that happened in a room.
CREATE TABLE journal_also (
    room_id INTEGER NOT NULL,
    pos     INTEGER NOT NULL,
    PRIMARY KEY (room_id, pos)
) STRICT, WITHOUT ROWID;

-- What we have applied of other origins, and where each origin's journal here begins (after pruning).
CREATE TABLE origin (
    node        INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL,
    chain       BLOB    NOT NULL,
    floor_seq   INTEGER NOT NULL,               -- the newest op that was pruned; 0: none was
    floor_chain BLOB    NOT NULL
) STRICT;

-- Own ops up to seq were at the centre at that time.
CREATE TABLE pushed (
    seq INTEGER PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT;

CREATE TABLE user (
    id             INTEGER PRIMARY KEY,
    hlc            INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    email          TEXT    NOT NULL,
    email_key      TEXT    NOT NULL,            -- trimmed, ASCII letters folded; compared as bytes
    email_stamp    INTEGER NOT NULL,
    email_node     INTEGER NOT NULL,
    email_parked   INTEGER NOT NULL DEFAULT 0,  -- 1: the centre gave the e-mail to another account
    username       TEXT    NOT NULL,
    username_stamp INTEGER NOT NULL,
    username_node  INTEGER NOT NULL,
    password       TEXT    NOT NULL,            -- Argon2id, or bcrypt from the old backend
    password_stamp INTEGER NOT NULL,
    password_node  INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL DEFAULT 0   -- 0: never
) STRICT;
CREATE INDEX user_email ON user (email_key);

CREATE TABLE room (
    id         INTEGER PRIMARY KEY,
    hlc        INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    is_private INTEGER NOT NULL,
    created_by INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- What is known here of a room by counting; ops may be about rooms that have not come yet.
CREATE TABLE room_count (
    room_id  INTEGER PRIMARY KEY,
    messages INTEGER NOT NULL DEFAULT 0,
    members  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Unread of a member = messages in the room since he joined - his own since - those since that he has read.
CREATE TABLE member (
    room_id   INTEGER NOT NULL,
    user_id   INTEGER NOT NULL,
    id        INTEGER NOT NULL,
    is_member INTEGER NOT NULL,                 -- 0: he left; the row is the tombstone
    stamp     INTEGER NOT NULL,
    node      INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    join_pos  INTEGER NOT NULL,                 -- the position at which he joined here; messages after it count
    before    INTEGER NOT NULL,                 -- messages in the room when he joined
    own       INTEGER NOT NULL DEFAULT 0,
    read      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_user ON member (user_id);

-- From which position to which a user has been in a room: what he may see of what happened there. The op that ended it
-- is the last he sees.
CREATE TABLE member_span (
    user_id  INTEGER NOT NULL,
    room_id  INTEGER NOT NULL,
    from_pos INTEGER NOT NULL,
    to_pos   INTEGER NOT NULL,                  -- 2^62: he still is
    PRIMARY KEY (user_id, room_id, from_pos)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    id         INTEGER PRIMARY KEY,
    room_id    INTEGER NOT NULL,
    sender_id  INTEGER NOT NULL,
    hlc        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    pos        INTEGER NOT NULL,                -- the position at which it became known here
    seq        INTEGER NOT NULL,                -- its op's, when it is ours: with pushed it says when it was at the centre
    node       INTEGER NOT NULL,                -- its op's origin
    content    TEXT    NOT NULL
) STRICT;
CREATE INDEX message_room ON message (room_id, hlc, id);

CREATE TABLE receipt (
    message_id   INTEGER NOT NULL,
    user_id      INTEGER NOT NULL,
    delivered_at INTEGER,
    read_at      INTEGER,
    PRIMARY KEY (message_id, user_id)
) STRICT, WITHOUT ROWID;

-- Idempotency keys of this site. The day comes first, so that random keys fall into one day's small range and a day
-- goes as a range.
CREATE TABLE send_key (
    day        INTEGER NOT NULL,
    user_id    INTEGER NOT NULL,
    key        BLOB    NOT NULL,                -- BLAKE2b-128 of the client's key
    message_id INTEGER NOT NULL,
    PRIMARY KEY (day, user_id, key)
) STRICT, WITHOUT ROWID;
