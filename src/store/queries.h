#pragma once
/* All SQL of the store, by number. A connection prepares what it uses. ?1.. are bound in order. */

/* Rows of Q_DELIVERED_MANY behind its first; "?" is one more than the largest number before it. */
enum { RECEIPTS_AT_ONCE = 32 };
#define RECEIPTS_1    ", (?, ?, ?1)"
#define RECEIPTS_5    RECEIPTS_1 RECEIPTS_1 RECEIPTS_1 RECEIPTS_1 RECEIPTS_1
#define RECEIPTS_MORE RECEIPTS_5 RECEIPTS_5 RECEIPTS_5 RECEIPTS_5 RECEIPTS_5 RECEIPTS_5 RECEIPTS_1

#define STORE_QUERIES(X)                                                                                               \
    X(Q_BEGIN, "BEGIN IMMEDIATE")                                                                                      \
    X(Q_BEGIN_READ, "BEGIN")                                                                                           \
    X(Q_COMMIT, "COMMIT")                                                                                              \
    X(Q_ROLLBACK, "ROLLBACK")                                                                                          \
    X(Q_SAVE, "SAVEPOINT op")                                                                                          \
    X(Q_RELEASE, "RELEASE op")                                                                                         \
    X(Q_UNDO, "ROLLBACK TO op")                                                                                        \
    /* self and journal */                                                                                             \
    X(Q_SELF, "SELECT uuid, epoch, node, seq, hlc, chain, users, rooms, members, messages, pushed_seq, centre_uuid,"   \
              " (SELECT COALESCE(MAX(pos), 0) FROM journal), reissued_at, lost_from, lost_upto, restored FROM self")                \
    X(Q_SET_LOST, "UPDATE self SET lost_from = CASE lost_from WHEN 0 THEN ?1 ELSE min(lost_from, ?1) END,"             \
                  " lost_upto = max(lost_upto, ?2)")                                                                   \
    X(Q_NEW_SELF, "INSERT INTO self (one, uuid, epoch, node, seq, hlc, chain, users, rooms, members, messages)"        \
                  " VALUES (1, ?1, 1, 0, 0, 0, ?2, 0, 0, 0, 0)")                                                       \
    X(Q_SAVE_SELF, "UPDATE self SET seq = ?1, hlc = ?2, chain = ?3, users = ?4, rooms = ?5, members = ?6, messages = ?7")\
    X(Q_APPEND, "INSERT INTO journal (node, seq, at, kind, version, room_id, user_id, body, chain)"                    \
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                                                        \
    X(Q_APPEND_ALSO, "INSERT OR IGNORE INTO journal_also (room_id, pos) VALUES (?1, ?2)")                              \
    X(Q_HEAD, "SELECT pos, chain FROM journal ORDER BY pos DESC LIMIT 1")                                              \
    X(Q_CHAIN_AT, "SELECT chain, at FROM journal WHERE pos = ?1")                                                      \
    X(Q_CATCH_UP, "SELECT pos, node, seq, at, kind, version, body, chain FROM journal WHERE pos IN ("                  \
                  "SELECT j.pos FROM member_span s JOIN journal j ON j.room_id = s.room_id"                            \
                  " AND j.pos > max(?2, s.from_pos - 1) AND j.pos <= min(?3, s.to_pos)"                                \
                  " WHERE s.user_id = ?1 AND s.to_pos > ?2"                                                            \
                  " UNION SELECT a.pos FROM member_span s JOIN journal_also a ON a.room_id = s.room_id"                \
                  " AND a.pos > max(?2, s.from_pos - 1) AND a.pos <= min(?3, s.to_pos)"                                \
                  " WHERE s.user_id = ?1 AND s.to_pos > ?2) ORDER BY pos LIMIT ?4")                                    \
    X(Q_SPANS, "SELECT room_id, from_pos, to_pos FROM member_span WHERE user_id = ?1 AND to_pos > ?2"                  \
               " ORDER BY room_id, from_pos")                                                                          \
    X(Q_TAIL, "SELECT pos, node, seq, at, kind, version, body, chain, room_id, user_id FROM journal"                   \
              " WHERE pos > ?1 ORDER BY pos")                                                                           \
    X(Q_OWN_AFTER, "SELECT pos, node, seq, at, kind, version, body, chain FROM journal"                                \
                   " WHERE pos > ?1 AND node = ?2 AND seq > 0 ORDER BY pos LIMIT ?3")                                 \
    X(Q_ORIGIN, "SELECT seq, chain FROM origin WHERE node = ?1")                                                       \
    X(Q_SET_ORIGIN, "INSERT INTO origin (node, seq, chain, floor_seq, floor_chain) VALUES (?1, ?2, ?3, 0, ?4)"         \
                    " ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, chain = excluded.chain")                    \
    X(Q_VECTOR, "SELECT node, seq FROM origin WHERE node <> ?1 ORDER BY node")                                         \
    X(Q_FLOOR, "SELECT floor_seq, floor_chain FROM origin WHERE node = ?1")                                            \
    X(Q_POS_OF_OWN, "SELECT pos FROM journal WHERE node = ?1 AND seq = ?2 AND pos >= ?3 ORDER BY pos LIMIT 1")         \
    X(Q_OPS_BETWEEN, "SELECT pos, node, seq, at, kind, version, body, chain FROM journal"                              \
                     " WHERE pos > ?1 AND node = ?2 AND seq > ?3 AND seq <= ?4 ORDER BY pos")                          \
    X(Q_HISTORY_FLOOR, "SELECT node, message_id FROM history_floor ORDER BY node")                                     \
    X(Q_LOG_FLOORS, "SELECT node, MAX(seq) FROM (SELECT node, floor_seq AS seq FROM origin UNION ALL"                  \
                    " SELECT node, seq FROM journal WHERE kind = 0 AND body = '') GROUP BY node")                      \
    X(Q_CLAIMS_AFTER, "SELECT id, email_stamp, email_node, email_parked, email_key FROM user"                          \
                      " WHERE id > ?1 AND email_stamp > 0 ORDER BY id LIMIT ?2")                                       \
    X(Q_CONFLICT_COUNT, "SELECT COUNT(*) FROM user WHERE email_parked = 1")                                            \
    X(Q_CONFLICTS, "WITH said AS (SELECT user_id, MAX(at) AS at FROM journal WHERE kind = 4 AND user_id IN"            \
                   " (SELECT id FROM user WHERE email_parked = 1) GROUP BY user_id)"                                   \
                   " SELECT u.id, u.username, u.email, COALESCE(s.at, 0) FROM user u"                                  \
                   " LEFT JOIN said s ON s.user_id = u.id WHERE u.email_parked = 1 ORDER BY u.id")                     \
    X(Q_OWN_OP, "SELECT at, kind, version, body FROM journal WHERE node = ?1 AND seq = ?2 AND pos >= ?2"               \
                " ORDER BY pos LIMIT 1")                                                                                \
    /* pruning: the journal */                                                                                         \
    X(Q_NOTE_DAY, "INSERT OR IGNORE INTO journal_day (day, pos) VALUES (?1, ?2)")                                      \
    X(Q_FORGET_DAYS, "DELETE FROM journal_day WHERE day > ?1")                                                         \
    X(Q_POS_OF_DAY, "SELECT pos, day FROM journal_day WHERE day <= ?1 ORDER BY day DESC LIMIT 1")                           \
    X(Q_FIRST_POS, "SELECT pos FROM journal ORDER BY pos LIMIT 1")                                                     \
    X(Q_IS_PRUNED, "SELECT 1 FROM origin WHERE floor_seq > 0 LIMIT 1")                                                 \
    X(Q_OLDEST_OPS, "SELECT pos, node, seq, kind, version, CASE WHEN kind = 7 OR (kind IN (9, 10) AND room_id IS NULL)"\
                    " THEN body ELSE '' END FROM journal WHERE pos <= ?1 ORDER BY pos LIMIT ?2")                       \
    X(Q_DROP_ALSO, "DELETE FROM journal_also WHERE room_id = ?1 AND pos = ?2")                                         \
    X(Q_DROP_SPAN, "DELETE FROM member_span WHERE user_id = ?1 AND room_id = ?2 AND to_pos = ?3")                      \
    X(Q_RAISE_FLOORS, "INSERT INTO origin (node, seq, chain, floor_seq, floor_chain) SELECT node, last, chain, last, chain"\
                      " FROM (SELECT node, MAX(seq) AS last, chain FROM journal WHERE pos <= ?1 AND seq > 0 GROUP BY node) WHERE true"\
                      " ON CONFLICT (node) DO UPDATE SET floor_seq = excluded.floor_seq, floor_chain = excluded.floor_chain")\
    X(Q_DROP_OPS, "DELETE FROM journal WHERE pos <= ?1")                                                               \
    /* pruning: messages */                                                                                            \
    X(Q_HAS_LEFT, "SELECT 1 FROM history_floor WHERE node = ?1 >> 41 AND message_id >= ?1"                             \
                  " AND NOT EXISTS (SELECT 1 FROM message WHERE id = ?1)")                                             \
    X(Q_IS_BELOW_FLOOR, "SELECT 1 FROM history_floor WHERE node = ?1 >> 41 AND message_id >= ?1")                      \
    X(Q_HORIZON, "SELECT hlc, message_id FROM room_horizon WHERE room_id = ?1")                                        \
    X(Q_MESSAGE_FROM, "SELECT id, room_id, sender_id, hlc, pos, seq, node FROM message WHERE id >= ?1 AND id < ?2"     \
                      " ORDER BY id LIMIT 1")                                                                          \
    X(Q_HAS_NEWER, "SELECT 1 FROM message WHERE room_id = ?1 AND (hlc, id) > (?2, ?3) LIMIT 1")                        \
    X(Q_COUNT_LEFT, "UPDATE member SET read = read + 1 WHERE room_id = ?1 AND user_id <> ?2 AND is_member = 1"         \
                    " AND join_pos < ?3 AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.message_id = ?4"               \
                    " AND r.user_id = member.user_id AND r.read_at IS NOT NULL)")                                      \
    X(Q_DROP_RECEIPTS, "DELETE FROM receipt WHERE message_id = ?1")                                                    \
    X(Q_DROP_MESSAGE, "DELETE FROM message WHERE id = ?1")                                                             \
    X(Q_RAISE_HORIZON, "INSERT INTO room_horizon (room_id, hlc, message_id) VALUES (?1, ?2, ?3) ON CONFLICT (room_id)" \
                       " DO UPDATE SET hlc = excluded.hlc, message_id = excluded.message_id"                           \
                       " WHERE (excluded.hlc, excluded.message_id) > (hlc, message_id)")                               \
    X(Q_RAISE_HISTORY_FLOOR, "INSERT INTO history_floor (node, message_id) VALUES (?1, ?2) ON CONFLICT (node)"         \
                             " DO UPDATE SET message_id = max(message_id, ?2)")                                        \
    X(Q_MARK_OF, "SELECT seq FROM pushed WHERE seq >= ?1 ORDER BY seq LIMIT 1")                                        \
    X(Q_DROP_MARKS, "DELETE FROM pushed WHERE seq IN (SELECT seq FROM pushed WHERE seq > ?1 AND seq < ?2"              \
                    " ORDER BY seq LIMIT 1000)")                                                                       \
    /* rows in the order of their keys: key, origin, when, the rest */                                                 \
    X(Q_USERS_AFTER, "SELECT id, 0, CASE hlc WHEN email_stamp THEN email_node WHEN username_stamp THEN username_node"  \
                     " WHEN password_stamp THEN password_node ELSE id >> 41 END, hlc, created_at, email, email_stamp," \
                     " email_node, email_parked, username, username_stamp, username_node, password, password_stamp,"   \
                     " password_node, last_seen FROM user WHERE id > ?1 ORDER BY id LIMIT ?2")                         \
    X(Q_ROOMS_AFTER, "SELECT id, 0, id >> 41, hlc, name, is_private, created_by, created_at FROM room WHERE id > ?1"   \
                     " ORDER BY id LIMIT ?2")                                                                          \
    X(Q_MEMBERS_AFTER, "SELECT room_id, user_id, node, stamp, id, is_member, joined_at FROM member"                    \
                       " WHERE (room_id, user_id) > (?1, ?2) ORDER BY room_id, user_id LIMIT ?3")                      \
    X(Q_MESSAGES_AFTER, "SELECT id, 0, node, hlc, room_id, sender_id, created_at, content, seq FROM message WHERE id > ?1"\
                        " ORDER BY id LIMIT ?2")                                                                       \
    X(Q_RECEIPTS_AFTER, "SELECT message_id, user_id, 0, 0, delivered_at, read_at FROM receipt"                         \
                        " WHERE (message_id, user_id) > (?1, ?2) ORDER BY message_id, user_id LIMIT ?3")               \
    /* the centre */                                                                                                   \
    X(Q_ADD_PUSHED, "INSERT OR IGNORE INTO pushed (seq, at) VALUES (?1, ?2)")                                          \
    X(Q_SET_PUSHED, "UPDATE self SET pushed_seq = max(pushed_seq, ?1), centre_uuid = ?2")                              \
    X(Q_SET_NODE, "UPDATE self SET node = ?1, centre_uuid = ?2")                                                       \
    X(Q_SET_EPOCH, "UPDATE self SET epoch = ?1, restored = 0")                                                         \
    X(Q_SET_RESTORED, "UPDATE self SET restored = ?1")                                                                 \
    X(Q_PUSHED_AT, "SELECT at FROM pushed WHERE seq >= ?1 AND NOT EXISTS (SELECT 1 FROM parked WHERE seq = ?1)"        \
                   " ORDER BY seq LIMIT 1")                                                                            \
    X(Q_IS_PARKED, "SELECT 1 FROM parked WHERE seq = ?1")                                                              \
    X(Q_FORGET_PARKED, "DELETE FROM parked")                                                                           \
    X(Q_NOTE_PARKED, "INSERT OR IGNORE INTO parked (seq) VALUES (?1)")                                                 \
    /* users; one with hlc 0 has only been heard of */                                                                 \
    X(Q_STUB_USER, "INSERT OR IGNORE INTO user (id, hlc, created_at, email, email_key, email_stamp, email_node,"       \
                   " username, username_stamp, username_node, password, password_stamp, password_node)"                \
                   " VALUES (?1, 0, 0, '', '', 0, 0, '', 0, 0, '', 0, 0)")                                             \
    X(Q_REGISTER, "UPDATE user SET hlc = ?2, created_at = ?3 WHERE id = ?1")                                           \
    X(Q_SET_EMAIL, "UPDATE user SET email = ?2, email_key = ?3, email_stamp = ?4, email_node = ?5, email_parked = 0"   \
                   " WHERE id = ?1 AND (?4, ?5) > (email_stamp, email_node)")                                          \
    X(Q_PARK_EMAIL, "UPDATE user SET email_parked = 1 WHERE id = ?1 AND email_key = ?2 AND email_stamp = ?3")          \
    X(Q_SET_USERNAME, "UPDATE user SET username = ?2, username_stamp = ?3, username_node = ?4"                         \
                      " WHERE id = ?1 AND (?3, ?4) > (username_stamp, username_node)")                                 \
    X(Q_SET_PASSWORD, "UPDATE user SET password = ?2, password_stamp = ?3, password_node = ?4"                         \
                      " WHERE id = ?1 AND (?3, ?4) > (password_stamp, password_node)")                                 \
    X(Q_SEEN, "UPDATE user SET last_seen = max(last_seen, ?2) WHERE id = ?1")                                          \
    X(Q_ONLINE, "INSERT OR IGNORE INTO online (user_id) VALUES (?1)")                                                    \
    X(Q_OFFLINE, "DELETE FROM online WHERE user_id = ?1")                                                                \
    X(Q_ALL_ONLINE, "SELECT o.user_id, COALESCE(m.room_id, 0)"                                                           \
                    " FROM (SELECT user_id FROM online WHERE user_id > ?1 ORDER BY user_id LIMIT ?2) o"                  \
                    " LEFT JOIN member m ON m.user_id = o.user_id AND m.is_member = 1 ORDER BY o.user_id")               \
    X(Q_USER, "SELECT id, created_at, last_seen, email, username, password, max(email_stamp, username_stamp),"         \
              " password_stamp FROM user WHERE id = ?1 AND hlc > 0")                                                   \
    X(Q_SENDER, "SELECT username, email FROM user WHERE id = ?1 AND hlc > 0")                                          \
    X(Q_PASSWORD_STAMP, "SELECT password_stamp FROM user WHERE id = ?1 AND hlc > 0")                                   \
    X(Q_LOGIN, "SELECT id, email_parked FROM user"                                                                     \
               " WHERE email_key = ?1 AND hlc > 0 ORDER BY email_parked, email_stamp, id LIMIT 1")                     \
    X(Q_PARKED_LOGINS, "SELECT password FROM user WHERE email_key = ?1 AND hlc > 0 AND email_parked = 1 AND id <> ?2"  \
                       " ORDER BY email_stamp, id LIMIT ?3")                                                           \
    X(Q_EMAIL_OWNER, "SELECT id FROM user WHERE email_key = ?1 AND email_parked = 0 AND hlc > 0"                       \
                     " ORDER BY email_stamp, id LIMIT 1")                                                              \
    X(Q_ACCOUNTS, "SELECT id, created_at, last_seen, email, username, email_parked, substr(password, 1, 1) = '!' FROM user" \
                  " WHERE id > ?1 AND hlc > 0"                                                                         \
                  " AND (?2 = 0 OR email_parked = 1) AND (?3 = '' OR instr(lower(email), lower(?3))"                   \
                  " OR instr(lower(username), lower(?3))) ORDER BY id LIMIT ?4")                                       \
    X(Q_ACCOUNTS_OF_EMAIL, "SELECT id, created_at, last_seen, email, username, email_parked,"                          \
                           " substr(password, 1, 1) = '!' FROM user"                                                   \
                           " WHERE email_key = ?1 AND hlc > 0 ORDER BY email_parked, email_stamp, id")                 \
    /* a user of ours whose e-mail somebody else had before him */                                                     \
    X(Q_LOST_EMAILS, "SELECT u.id, u.email, u.email_stamp FROM user u WHERE u.email_key = ?1 AND u.email_node = ?2"    \
                     " AND u.email_parked = 0 AND u.hlc > 0 AND EXISTS (SELECT 1 FROM user o WHERE o.email_key = ?1"   \
                     " AND o.id <> u.id AND o.email_parked = 0 AND o.hlc > 0"                                          \
                     " AND (o.email_stamp, o.id) < (u.email_stamp, u.id))")                                            \
    /* rooms and members */                                                                                            \
    X(Q_ADD_ROOM, "INSERT OR IGNORE INTO room (id, hlc, name, is_private, created_by, created_at)"                     \
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                                                  \
    X(Q_ROOM_PRIVATE, "SELECT is_private FROM room WHERE id = ?1")                                                     \
    X(Q_COUNT_MEMBER, "INSERT INTO room_count (room_id, members) VALUES (?1, ?2)"                                      \
                      " ON CONFLICT (room_id) DO UPDATE SET members = members + ?2")                                   \
    X(Q_COUNT_MESSAGE, "INSERT INTO room_count (room_id, messages) VALUES (?1, 1)"                                     \
                       " ON CONFLICT (room_id) DO UPDATE SET messages = messages + 1")                                 \
    X(Q_ROOM_MEMBERS, "SELECT members FROM room_count WHERE room_id = ?1")                                             \
    X(Q_USER_ROOMS, "SELECT COUNT(*) FROM member WHERE user_id = ?1 AND is_member = 1")                                \
    X(Q_MEMBER, "SELECT id, is_member, stamp, node FROM member WHERE room_id = ?1 AND user_id = ?2")                   \
    X(Q_IS_MEMBER, "SELECT 1 FROM member WHERE room_id = ?1 AND user_id = ?2 AND is_member = 1")                       \
    X(Q_MEMBERS, "SELECT m.user_id, COALESCE(u.username, ''), COALESCE(u.last_seen, 0)"                                 \
                 " FROM member m LEFT JOIN user u ON u.id = m.user_id"                                                 \
                 " WHERE m.room_id = ?1 AND m.user_id > ?2 AND m.is_member = 1 ORDER BY m.user_id LIMIT ?3")           \
    X(Q_JOIN, "INSERT INTO member (room_id, user_id, id, is_member, stamp, node, joined_at, join_pos, before)"         \
              " VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7,"                                                                \
              " COALESCE((SELECT messages FROM room_count WHERE room_id = ?1), 0))"                                    \
              " ON CONFLICT (room_id, user_id) DO UPDATE SET id = excluded.id, is_member = 1, stamp = excluded.stamp," \
              " node = excluded.node, joined_at = excluded.joined_at, join_pos = excluded.join_pos,"                   \
              " before = excluded.before, own = 0, read = 0")                                                          \
    X(Q_REJOIN, "UPDATE member SET id = ?3, stamp = ?4, node = ?5, joined_at = ?6 WHERE room_id = ?1 AND user_id = ?2")\
    X(Q_LEAVE, "INSERT INTO member (room_id, user_id, id, is_member, stamp, node, joined_at, join_pos, before)"        \
               " VALUES (?1, ?2, 0, 0, ?3, ?4, 0, 0, 0) ON CONFLICT (room_id, user_id) DO UPDATE"                      \
               " SET is_member = 0, stamp = excluded.stamp, node = excluded.node")                                     \
    X(Q_OPEN_SPAN, "INSERT INTO member_span (user_id, room_id, from_pos, to_pos) VALUES (?1, ?2, ?3, 1 << 62)")        \
    X(Q_CLOSE_SPAN, "UPDATE member_span SET to_pos = ?3 WHERE user_id = ?1 AND room_id = ?2 AND to_pos = 1 << 62")     \
    X(Q_LIST_ROOMS, "SELECT r.id, r.created_at, r.name, r.is_private,"                                                 \
                    " COALESCE(c.messages, 0) - m.before - m.own - m.read"                                             \
                    " FROM member m JOIN room r ON r.id = m.room_id LEFT JOIN room_count c ON c.room_id = m.room_id"   \
                    " WHERE m.user_id = ?1 AND m.is_member = 1 ORDER BY r.id")                                         \
    /* messages */                                                                                                     \
    X(Q_ADD_MESSAGE, "INSERT INTO message (id, room_id, sender_id, hlc, created_at, pos, seq, node, content)"          \
                     " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE NOT EXISTS"                                     \
                     " (SELECT 1 FROM history_floor WHERE node = ?1 >> 41 AND message_id >= ?1)"                       \
                     " ON CONFLICT (id) DO NOTHING")                                                                   \
    X(Q_REPEATED, "UPDATE message SET seq = ?2 WHERE id = ?1 AND node = ?3 AND seq < ?2")                              \
    X(Q_COUNT_OWN, "UPDATE member SET own = own + 1 WHERE room_id = ?1 AND user_id = ?2 AND is_member = 1")            \
    X(Q_COUNT_EARLY_READS, "UPDATE member SET read = read + 1 WHERE room_id = ?1 AND is_member = 1 AND user_id IN"     \
                           " (SELECT user_id FROM receipt WHERE message_id = ?2 AND read_at IS NOT NULL"               \
                           " AND user_id <> ?3)")                                                                      \
    X(Q_COUNT_READ, "UPDATE member SET read = read + 1 WHERE room_id = ?1 AND user_id = ?2 AND is_member = 1"          \
                    " AND join_pos < ?3")                                                                              \
    X(Q_MESSAGE_FACTS, "SELECT room_id, sender_id, pos, hlc FROM message WHERE id = ?1")                               \
    X(Q_BEFORE_ID, "SELECT hlc FROM message WHERE id < ?1 AND id >= ?2 ORDER BY id DESC LIMIT 1")                      \
    X(Q_MESSAGE, "SELECT m.id, m.created_at, m.room_id, m.sender_id, m.content, u.username, u.email, m.node, m.seq, m.arrived_at"    \
                 " FROM message m LEFT JOIN user u ON u.id = m.sender_id WHERE m.id = ?1")                             \
    X(Q_PAGE, "SELECT m.id, m.created_at, m.room_id, m.sender_id, m.content, u.username, u.email, m.node, m.seq, m.arrived_at"       \
              " FROM message m LEFT JOIN user u ON u.id = m.sender_id"                                                 \
              " WHERE m.room_id = ?1 AND (m.hlc, m.id) < (?2, ?3) ORDER BY m.hlc DESC, m.id DESC LIMIT ?4")            \
    X(Q_PAGE_ABOVE, "SELECT m.id, m.created_at, m.room_id, m.sender_id, m.content, u.username, u.email, m.node, m.seq, m.arrived_at" \
                    " FROM message m LEFT JOIN user u ON u.id = m.sender_id WHERE m.room_id = ?1 AND (m.hlc, m.id) < (?2, ?3)"\
                    " AND (m.hlc, m.id) > (?4, ?5) ORDER BY m.hlc DESC, m.id DESC LIMIT ?6")                           \
    X(Q_SINCE, "SELECT pos, kind, version, body, chain FROM journal WHERE room_id = ?1 AND pos > ?2 ORDER BY pos")     \
    X(Q_ARRIVED, "UPDATE message SET arrived_at = ?2 WHERE id = ?1")                                                   \
    /* receipts; of messages that have left none comes back */                                                          \
    X(Q_DELIVERED, "INSERT INTO receipt (message_id, user_id, delivered_at) SELECT ?1, ?2, ?3"                         \
                   " WHERE NOT EXISTS (SELECT 1 FROM history_floor WHERE node = ?1 >> 41 AND message_id >= ?1)"        \
                   " OR EXISTS (SELECT 1 FROM message WHERE id = ?1)"                                                  \
                   " ON CONFLICT (message_id, user_id) DO UPDATE"                                                      \
                   " SET delivered_at = min(COALESCE(delivered_at, ?3), ?3)")                                          \
    X(Q_DELIVERED_MANY, "INSERT INTO receipt (message_id, user_id, delivered_at) VALUES (?2, ?, ?1)" RECEIPTS_MORE         \
                        " ON CONFLICT (message_id, user_id) DO UPDATE"                                                 \
                        " SET delivered_at = min(COALESCE(delivered_at, ?1), ?1)")                                     \
    X(Q_READ, "INSERT INTO receipt (message_id, user_id, delivered_at, read_at) SELECT ?1, ?2, ?3, ?3"                 \
              " WHERE NOT EXISTS (SELECT 1 FROM history_floor WHERE node = ?1 >> 41 AND message_id >= ?1)"             \
              " OR EXISTS (SELECT 1 FROM message WHERE id = ?1)"                                                       \
              " ON CONFLICT (message_id, user_id) DO UPDATE SET delivered_at = min(COALESCE(delivered_at, ?3), ?3),"   \
              " read_at = min(COALESCE(read_at, ?3), ?3)")                                                             \
    X(Q_RECEIPT, "SELECT delivered_at, read_at FROM receipt WHERE message_id = ?1 AND user_id = ?2")                   \
    X(Q_DELIVERED_TO, "SELECT user_id FROM receipt WHERE message_id = ?1 AND user_id BETWEEN ?2 AND ?3"                \
                      " AND delivered_at IS NOT NULL ORDER BY user_id")                                                \
    X(Q_RECEIPTS, "SELECT user_id, COALESCE(delivered_at, 0), COALESCE(read_at, 0) FROM receipt"                       \
                  " WHERE message_id = ?1 ORDER BY user_id")                                                           \
    /* idempotency keys */                                                                                             \
    X(Q_ADD_KEY, "INSERT INTO send_key (day, user_id, key, message_id) VALUES (?1, ?2, ?3, ?4)")                       \
    X(Q_FIND_KEY, "SELECT message_id FROM send_key WHERE day = ?1 AND user_id = ?2 AND key = ?3")                      \
    X(Q_OLDEST_KEY, "SELECT MIN(day) FROM send_key")                                                                   \
    X(Q_PRUNE_KEYS, "DELETE FROM send_key WHERE (day, user_id, key) IN"                                                \
                    " (SELECT day, user_id, key FROM send_key WHERE day < ?1 LIMIT ?2)")

enum store_query {
#define X(name, sql) name,
    STORE_QUERIES(X)
#undef X
    Q_COUNT
};

extern const char *const store_query_texts[Q_COUNT];
