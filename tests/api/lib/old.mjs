// The database of the backend that this server replaces, as its migrations make it, with people's odd data in it; and what an
// import must make of it.
const T0 = Date.UTC(2024, 0, 1);
export const PASSWORDS = {
  '$2b$04$abcdefghijklmnopqrstuuhfdSToe28Z2OzxmmHxfI3lnNDfjxoF6': 'battery staple',
  '$2a$04$0123456789abcdefghijkuWq4A9.2gtYxpQvmi5NxFlLrO3.rjFHq': 'correct horse',
};
const HASHES = Object.keys(PASSWORDS);
const ZERO = 'zero';                // a date that sql_mode once let in
const FUTURE = Date.UTC(2099, 5, 1);

// The tables as the old backend's own migrations make them, 20250819134254_init and 20250820093256_add_message_receipts (eoalewi/chat-backend,
// commit 0d367e8): columns in their order, what is unique, and whose id a column holds.
const ID = 'INTEGER NOT NULL AUTO_INCREMENT', NUMBER = 'INTEGER NOT NULL', TEXT = 'VARCHAR(191) NOT NULL', MARK = 'BOOLEAN NOT NULL DEFAULT false';
const MADE = 'DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)', TIME = 'DATETIME(3) NULL';
export const OLD_TABLES = {
  User: { columns: { id: ID, email: TEXT, password: TEXT, username: TEXT, createdAt: MADE, lastSeen: TIME }, unique: ['email'], refers: {} },
  Room: { columns: { id: ID, name: TEXT, isPrivate: MARK, createdAt: MADE }, refers: {} },
  RoomMember: { columns: { id: ID, userId: NUMBER, roomId: NUMBER }, unique: ['userId', 'roomId'], refers: { userId: 'User', roomId: 'Room' } },
  Message: { columns: { id: ID, content: TEXT, createdAt: MADE, senderId: NUMBER, roomId: NUMBER }, refers: { senderId: 'User', roomId: 'Room' } },
  MessageReceipt: { columns: { id: ID, messageId: NUMBER, userId: NUMBER, delivered: MARK, read: MARK, deliveredAt: TIME, readAt: TIME },
    unique: ['messageId', 'userId'], refers: { messageId: 'Message', userId: 'User' } },
};

const quoted = (names) => names.map((name) => `\`${name}\``).join(', ');

function tableAsSql([name, { columns, unique, refers }]) {
  const lines = Object.entries(columns).map(([column, type]) => `${quoted([column])} ${type}`);
  if (unique !== undefined) {
    lines.push(`UNIQUE INDEX ${quoted([[name, ...unique, 'key'].join('_')])} (${quoted(unique)})`);
  }
  for (const [column, other] of Object.entries(refers)) {
    lines.push(`CONSTRAINT ${quoted([`${name}_${column}_fkey`])} FOREIGN KEY (${quoted([column])}) REFERENCES ${quoted([other])} (\`id\`)` +
      ' ON DELETE RESTRICT ON UPDATE CASCADE');
  }
  return `CREATE TABLE ${quoted([name])} (${lines.join(', ')}, PRIMARY KEY (\`id\`)) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;\n`;
}

export const SCHEMA = Object.entries(OLD_TABLES).map(tableAsSql).join('');

// What operators have done to theirs: e-mails that compare by bytes let two cases of one in, and a time of joining.
const CHANGED_SCHEMA = SCHEMA + 'ALTER TABLE `User` MODIFY `email` VARCHAR(191) COLLATE utf8mb4_bin NOT NULL;\n' +
  'ALTER TABLE `RoomMember` ADD COLUMN `joinedAt` DATETIME(3) NULL;\n';

const ODD_TEXTS = ['x'.repeat(191), '😀'.repeat(191), 'a\u0000b', 'back\\slash \' " \n\t\r', '', '  blanks at both ends  ', '港\u0301ﷺ'];

// { users, rooms, members, messages, receipts } as rows; of each, `want` is what it becomes (null: refused) and why, where it is
// not simply itself. unchanged: for the schema of the migrations, without what only an operator's changes let in.
export function makeOld(random, { users = 5000, rooms = 200, messages = 100_000, receiptsEvery = 2, unchanged = false } = {}) {
  const pick = (n) => Math.floor(random() * n);
  const old = { users: [], rooms: [], members: [], messages: [], receipts: [] };
  const add = (table, row, odd = {}) => old[table].push({ id: (old[table].at(-1)?.id ?? 0) + 1, ...row, ...odd });

  for (let i = 1; i <= users; i++) {
    add('users', { email: `user${i}@example.org`, username: i % 50 === 0 ? `Ütkü 港 😀 ${i}` : `user ${i}`, password: HASHES[i % 2],
      createdAt: T0 + i * 60_000 + pick(1000), lastSeen: i % 3 === 0 ? null : T0 + pick(1e10) });
  }
  const person = { username: 'odd', password: HASHES[0], createdAt: T0 + 6e8, lastSeen: null };
  if (!unchanged) {
    add('users', { ...person, email: 'USER7@Example.ORG' }, { note: 'parked' });
  }
  add('users', { ...person, email: ' user8@example.org' }, { note: 'parked' });
  add('users', { ...person, email: '   ' }, { refused: 'blank' });
  add('users', { ...person, email: '😀'.repeat(64) + '@example.org' }, { refused: 'too long' });
  add('users', { ...person, email: 'plain@example.org', password: 'plain text' }, { note: 'no bcrypt' });
  add('users', { ...person, email: 'zero@example.org', createdAt: ZERO }, { note: 'no time' });
  add('users', { ...person, email: 'seen@example.org', lastSeen: ZERO }, { note: 'lastSeen' });
  const [blank] = old.users.filter((u) => u.refused);

  for (let i = 1; i <= rooms; i++) {
    add('rooms', { name: i % 9 === 0 ? `Zimmer 港 ${i}` : `room ${i}`, isPrivate: i % 5 === 0, createdAt: T0 + pick(1e8) });
  }
  add('rooms', { name: 'empty', isPrivate: false, createdAt: T0 }, { note: 'without members' });
  add('rooms', { name: 'zero', isPrivate: true, createdAt: ZERO }, { note: 'no time' });

  // User 1 is everywhere; id gaps as deletions leave them.
  for (let room = 1; room <= rooms; room++) {
    for (const user of new Set([1, ...Array.from({ length: 20 }, () => 1 + pick(users))])) {
      add('members', { userId: user, roomId: room, joinedAt: !unchanged && random() < 0.5 ? T0 + pick(3e9) : null });
    }
    old.members.at(-1).id += pick(3);
  }
  add('members', { userId: 1, roomId: rooms + 2, joinedAt: unchanged ? null : ZERO }, unchanged ? {} : { note: 'no time' });
  add('members', { userId: 999_999, roomId: 1, joinedAt: null }, { refused: 'user' });
  add('members', { userId: 2, roomId: 99_999, joinedAt: null }, { refused: 'room' });
  add('members', { userId: blank.id, roomId: 2, joinedAt: null }, { refused: 'user' });

  const of = new Map(old.rooms.map((r) => [r.id, old.members.filter((m) => m.roomId === r.id && !m.refused).map((m) => m.userId)]));
  let at = T0 + 1e8;
  for (let i = 1; i <= messages; i++) {
    at += pick(60_000);
    const roomId = 1 + pick(rooms), senderId = of.get(roomId)[pick(of.get(roomId).length)];
    const content = i % 97 === 0 ? ODD_TEXTS[pick(ODD_TEXTS.length)] : `message ${i} ${'tide '.repeat(pick(20))}`;
    // now and then the same millisecond, or one before: the ids' order is not that of the times
    add('messages', { content, createdAt: i % 10 === 0 ? at - pick(100_000) : at, senderId, roomId });
  }
  const words = { content: 'odd', createdAt: at, senderId: 1, roomId: 1 };
  add('messages', { ...words, senderId: 999_999 }, { refused: 'user' });
  add('messages', { ...words, senderId: blank.id }, { refused: 'user' });
  add('messages', { ...words, roomId: 99_999 }, { refused: 'room' });
  add('messages', { ...words, createdAt: ZERO }, { note: 'no time' });
  add('messages', { ...words, createdAt: FUTURE + 5 }, { note: 'ahead' });
  add('messages', { ...words, createdAt: FUTURE }, { note: 'ahead' });
  const [toBlank, , , , ahead] = old.messages.filter((m) => m.refused || m.note);

  for (const m of old.messages.slice(0, messages)) {
    if (m.id % receiptsEvery === 0) {
      const delivered = m.createdAt + pick(3) * 1000;
      for (const userId of of.get(m.roomId).slice(0, 3)) {
        if (userId !== m.senderId) {
          const isRead = random() < 0.5;
          add('receipts', { messageId: m.id, userId, delivered: true, read: isRead, deliveredAt: delivered,
            readAt: isRead ? delivered + pick(1e6) : null });
        }
      }
    }
  }
  const sixth = old.messages[5], other = of.get(sixth.roomId).slice(3).find((u) => u !== sixth.senderId);
  const receipt = { messageId: sixth.id, delivered: true, read: false, deliveredAt: sixth.createdAt, readAt: null };
  const none = { ...receipt, delivered: false, deliveredAt: null };
  add('receipts', { ...receipt, userId: sixth.senderId }, { refused: "one's own" });
  add('receipts', { ...receipt, userId: 999_999 }, { refused: 'user' });
  add('receipts', { ...receipt, userId: 1, messageId: toBlank.id }, { refused: 'message' });
  add('receipts', { ...none, userId: users, messageId: ahead.id }, { refused: 'neither' });
  add('receipts', { ...receipt, userId: other, read: true, readAt: sixth.createdAt - 5000 }, { note: 'before' });
  const [early, timeless] = [2, 3, 4].filter((id) => id !== old.messages[0].senderId);
  add('receipts', { ...none, userId: early, messageId: 1, readAt: T0 + 9e8 }, { note: 'before' });
  add('receipts', { ...receipt, userId: timeless, messageId: 1, readAt: ZERO }, { note: 'lastSeen' });
  for (const marks of [{ delivered: true }, { read: true }, { delivered: true, read: true }]) {
    const at = old.messages.find((m) => m.id > 6 && m.senderId !== users && !old.receipts.some((r) => r.messageId === m.id && r.userId === users));
    add('receipts', { ...none, ...marks, messageId: at.id, userId: users }, { note: 'marked' });
  }
  return old;
}

// ---- as SQL ----

function literal(v, column) {
  if (v === null) {
    return 'NULL';
  }
  if (v === ZERO) {
    return "'0000-00-00 00:00:00.000'";
  }
  if (/At$|^lastSeen$/.test(column)) {
    return `'${new Date(v).toISOString().replace('T', ' ').slice(0, -1)}'`;
  }
  return typeof v === 'string' ? `X'${Buffer.from(v).toString('hex')}'` : String(Number(v));
}

const ROWS = {
  User: ['users', 'id', 'email', 'username', 'password', 'createdAt', 'lastSeen'],
  Room: ['rooms', 'id', 'name', 'isPrivate', 'createdAt'],
  RoomMember: ['members', 'id', 'userId', 'roomId', 'joinedAt'],
  Message: ['messages', 'id', 'content', 'createdAt', 'senderId', 'roomId'],
  MessageReceipt: ['receipts', 'id', 'messageId', 'userId', 'delivered', 'read', 'deliveredAt', 'readAt'],
};

export function oldAsSql(old, database, { schema = CHANGED_SCHEMA, tables = Object.keys(ROWS), rename = (name) => name } = {}) {
  const out = [`USE ${database};\nSET sql_mode='',foreign_key_checks=0,unique_checks=0,autocommit=0;\n${schema}`];
  for (const table of tables) {
    const [rows, ...columns] = ROWS[table];
    const has = columns.filter((c) => schema.includes(`\`${rename(c)}\``));
    for (let i = 0; i < old[rows].length; i += 1000) {
      const values = old[rows].slice(i, i + 1000).map((row) => `(${has.map((c) => literal(row[c], c)).join(',')})`);
      out.push(`INSERT INTO \`${rename(table)}\` (${has.map((c) => `\`${rename(c)}\``).join(',')}) VALUES ${values.join(',')};\n`);
    }
  }
  return out.join('') + 'COMMIT;\n';
}

// ---- what becomes of it ----

// The rows that are taken, with the times they get, as DESIGN and docs/migrating.md say.
export function expected(old) {
  const kept = (rows) => rows.filter((r) => !r.refused).map((r) => ({ ...r }));
  const want = { users: kept(old.users), rooms: kept(old.rooms), members: kept(old.members), messages: kept(old.messages),
    receipts: kept(old.receipts) };
  for (const rows of [want.users, want.rooms, want.messages]) {
    let before = 0;
    for (const row of rows) {
      before = row.createdAt = row.createdAt === ZERO ? before : row.createdAt;
    }
  }
  for (const u of want.users) {
    u.lastSeen = u.lastSeen === ZERO ? null : u.lastSeen;
  }
  const writtenAt = new Map(want.messages.map((m) => [m.id, m.createdAt]));
  const created = { user: new Map(want.users.map((u) => [u.id, u.createdAt])), room: new Map(want.rooms.map((r) => [r.id, r.createdAt])) };
  for (const m of want.members) {
    const both = Math.max(created.user.get(m.userId), created.room.get(m.roomId));
    m.joinedAt = typeof m.joinedAt === 'number' ? m.joinedAt : both;
    m.from = Math.max(m.joinedAt, both);
  }
  for (const r of want.receipts) {
    r.readAt = r.readAt === ZERO ? null : r.readAt;
    r.readAt ??= r.read ? r.deliveredAt ?? writtenAt.get(r.messageId) : null;
    r.deliveredAt ??= r.delivered && r.readAt === null ? writtenAt.get(r.messageId) : null;
    r.deliveredAt = r.readAt !== null && (r.deliveredAt === null || r.deliveredAt > r.readAt) ? r.readAt : r.deliveredAt;
  }
  return want;
}

export function unreadOf(want, userId, roomId) {
  const member = want.members.find((m) => m.userId === userId && m.roomId === roomId);
  const read = new Set(want.receipts.filter((r) => r.userId === userId && r.readAt !== null).map((r) => r.messageId));
  return want.messages.filter((m) => m.roomId === roomId && m.senderId !== userId && m.createdAt >= member.from && !read.has(m.id))
    .length;
}
