// The database of the backend that this server replaces, as its Prisma schema makes it, with people's odd data in it; and what
// an import must make of it.
const T0 = Date.UTC(2024, 0, 1);
export const PASSWORDS = {
  '$2b$04$abcdefghijklmnopqrstuuhfdSToe28Z2OzxmmHxfI3lnNDfjxoF6': 'battery staple',
  '$2a$04$0123456789abcdefghijkuWq4A9.2gtYxpQvmi5NxFlLrO3.rjFHq': 'correct horse',
};
const HASHES = Object.keys(PASSWORDS);
const ZERO = 'zero';                // a date that sql_mode once let in
const FUTURE = Date.UTC(2099, 5, 1);

// What the tables are called and how they look is Prisma's; utf8mb4_bin on the e-mail lets two cases of one in.
const SCHEMA = `
CREATE TABLE \`User\` (\`id\` INTEGER NOT NULL AUTO_INCREMENT, \`email\` VARCHAR(191) COLLATE utf8mb4_bin NOT NULL,
  \`username\` VARCHAR(191) NOT NULL, \`password\` VARCHAR(191) NOT NULL,
  \`createdAt\` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), \`lastSeen\` DATETIME(3) NULL,
  UNIQUE INDEX \`User_email_key\`(\`email\`), PRIMARY KEY (\`id\`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE \`Room\` (\`id\` INTEGER NOT NULL AUTO_INCREMENT, \`name\` VARCHAR(191) NOT NULL,
  \`isPrivate\` BOOLEAN NOT NULL DEFAULT false, \`createdAt\` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (\`id\`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE \`RoomMember\` (\`id\` INTEGER NOT NULL AUTO_INCREMENT, \`userId\` INTEGER NOT NULL, \`roomId\` INTEGER NOT NULL,
  \`joinedAt\` DATETIME(3) NULL, UNIQUE INDEX \`RoomMember_userId_roomId_key\`(\`userId\`, \`roomId\`),
  PRIMARY KEY (\`id\`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE \`Message\` (\`id\` INTEGER NOT NULL AUTO_INCREMENT, \`content\` VARCHAR(191) NOT NULL,
  \`createdAt\` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), \`senderId\` INTEGER NOT NULL, \`roomId\` INTEGER NOT NULL,
  PRIMARY KEY (\`id\`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE \`MessageReceipt\` (\`id\` INTEGER NOT NULL AUTO_INCREMENT, \`messageId\` INTEGER NOT NULL,
  \`userId\` INTEGER NOT NULL, \`deliveredAt\` DATETIME(3) NULL, \`readAt\` DATETIME(3) NULL,
  UNIQUE INDEX \`MessageReceipt_messageId_userId_key\`(\`messageId\`, \`userId\`),
  PRIMARY KEY (\`id\`)) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
ALTER TABLE \`RoomMember\` ADD CONSTRAINT \`RoomMember_userId_fkey\` FOREIGN KEY (\`userId\`) REFERENCES \`User\`(\`id\`);
ALTER TABLE \`Message\` ADD CONSTRAINT \`Message_senderId_fkey\` FOREIGN KEY (\`senderId\`) REFERENCES \`User\`(\`id\`);
`;

const ODD_TEXTS = ['x'.repeat(191), '😀'.repeat(191), 'a\u0000b', 'back\\slash \' " \n\t\r', '', '  blanks at both ends  ', '港\u0301ﷺ'];

// { users, rooms, members, messages, receipts } as rows; of each, `want` is what it becomes (null: refused) and why, where it is
// not simply itself.
export function makeOld(random, { users = 5000, rooms = 200, messages = 100_000, receiptsEvery = 2 } = {}) {
  const pick = (n) => Math.floor(random() * n);
  const old = { users: [], rooms: [], members: [], messages: [], receipts: [] };
  const add = (table, row, odd = {}) => old[table].push({ id: (old[table].at(-1)?.id ?? 0) + 1, ...row, ...odd });

  for (let i = 1; i <= users; i++) {
    add('users', { email: `user${i}@example.org`, username: i % 50 === 0 ? `Ütkü 港 😀 ${i}` : `user ${i}`, password: HASHES[i % 2],
      createdAt: T0 + i * 60_000 + pick(1000), lastSeen: i % 3 === 0 ? null : T0 + pick(1e10) });
  }
  const person = { username: 'odd', password: HASHES[0], createdAt: T0 + 6e8, lastSeen: null };
  add('users', { ...person, email: 'USER7@Example.ORG' }, { note: 'parked' });
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
      add('members', { userId: user, roomId: room, joinedAt: random() < 0.5 ? T0 + pick(3e9) : null });
    }
    old.members.at(-1).id += pick(3);
  }
  add('members', { userId: 1, roomId: rooms + 2, joinedAt: ZERO }, { note: 'no time' });
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
          add('receipts', { messageId: m.id, userId, deliveredAt: delivered,
            readAt: random() < 0.5 ? null : delivered + pick(1e6) });
        }
      }
    }
  }
  const sixth = old.messages[5], other = of.get(sixth.roomId).slice(3).find((u) => u !== sixth.senderId);
  const receipt = { messageId: sixth.id, deliveredAt: sixth.createdAt, readAt: null };
  add('receipts', { ...receipt, userId: sixth.senderId }, { refused: "one's own" });
  add('receipts', { ...receipt, userId: 999_999 }, { refused: 'user' });
  add('receipts', { ...receipt, userId: 1, messageId: toBlank.id }, { refused: 'message' });
  add('receipts', { ...receipt, userId: users, messageId: ahead.id, deliveredAt: null }, { refused: 'neither' });
  add('receipts', { ...receipt, userId: other, deliveredAt: sixth.createdAt, readAt: sixth.createdAt - 5000 }, { note: 'before' });
  add('receipts', { ...receipt, userId: 2, messageId: 1, deliveredAt: null, readAt: T0 + 9e8 }, { note: 'before' });
  add('receipts', { ...receipt, userId: 3, messageId: 1, readAt: ZERO }, { note: 'lastSeen' });
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

const TABLES = {
  User: ['users', 'id', 'email', 'username', 'password', 'createdAt', 'lastSeen'],
  Room: ['rooms', 'id', 'name', 'isPrivate', 'createdAt'],
  RoomMember: ['members', 'id', 'userId', 'roomId', 'joinedAt'],
  Message: ['messages', 'id', 'content', 'createdAt', 'senderId', 'roomId'],
  MessageReceipt: ['receipts', 'id', 'messageId', 'userId', 'deliveredAt', 'readAt'],
};

export function oldAsSql(old, database, { schema = SCHEMA, tables = Object.keys(TABLES), rename = (name) => name } = {}) {
  const out = [`USE ${database};\nSET sql_mode='',foreign_key_checks=0,unique_checks=0,autocommit=0;\n${schema}`];
  for (const table of tables) {
    const [rows, ...columns] = TABLES[table];
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
  const created = { user: new Map(want.users.map((u) => [u.id, u.createdAt])), room: new Map(want.rooms.map((r) => [r.id, r.createdAt])) };
  for (const m of want.members) {
    const both = Math.max(created.user.get(m.userId), created.room.get(m.roomId));
    m.joinedAt = typeof m.joinedAt === 'number' ? m.joinedAt : both;
    m.from = Math.max(m.joinedAt, both);
  }
  for (const r of want.receipts) {
    r.readAt = r.readAt === ZERO ? null : r.readAt;
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
