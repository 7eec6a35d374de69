// One room as this page knows it: its messages in order, who is in it, and what is known of each own message's way.
// Messages stand by their time, so those that arrive late from other sites stand where a reload would put them.

const KEPT = 100;                   // messages of a room that is not looked at; older ones are fetched again
export const TYPING_MS = 8000;      // how long somebody types without saying so again

const before = (a, b) => a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.id < b.id);

export class Room {
  messages = [];                    // oldest first
  known = new Map();                // by id
  receipts = new Map();             // by message id: { delivered: Map(userId, time), read: Map(userId, time) }
  members = null;                   // Map(userId, { userId, username, status, lastSeen }), once known
  typing = new Map();               // userId -> until when
  older = undefined;                // cursor of the page before; null: there is none; undefined: nothing is loaded yet
  isPartial = false;                // older messages are at the centre, which is out of reach
  last = null;                      // the newest message, be it loaded or not
  unread = 0;
  readTold = new Set();             // ids of others' messages that were on the screen, and that was sent
  readQueue = new Set();            // and those of which it is to be
  draft = '';
  newSince = null;                  // id of the first message that was unread when the room was opened

  constructor(row) {
    this.update(row);
  }

  update({ id, name, isPrivate, unread, lastMessage }) {
    Object.assign(this, { id, name, isPrivate, unread: unread ?? 0 });
    if (lastMessage && (this.last === null || before(this.last, lastMessage))) {
      this.last = lastMessage;
    }
  }

  // true: it was not known.
  add(message) {
    const known = this.known.get(message.id);
    if (known !== undefined) {
      known.syncedAt ??= message.syncedAt ?? null;
      return false;
    }
    const own = { syncedAt: null, ...message };
    let at = this.messages.length;
    while (at > 0 && before(own, this.messages[at - 1])) {
      at--;
    }
    this.messages.splice(at, 0, own);
    this.known.set(own.id, own);
    if (this.last === null || before(this.last, own)) {
      this.last = own;
    }
    return true;
  }

  // The newest page again, after the line was down. false: it does not reach what is here, so that may have a gap.
  touches(page) {
    return this.messages.length === 0 || page.nextCursor === null || page.items.some((message) => this.known.has(message.id));
  }

  // Where the history goes on behind this page. One that is partial without a cursor ends where the last one did.
  goesOn({ nextCursor, partial }) {
    this.isPartial = partial === true;
    this.older = nextCursor ?? (this.isPartial ? this.messages[0]?.id ?? null : null);
  }

  empty() {
    this.messages = [];
    this.known.clear();
    this.receipts.clear();
    this.older = undefined;
  }

  trim() {
    if (this.messages.length <= KEPT) {
      return;
    }
    for (const message of this.messages.splice(0, this.messages.length - KEPT)) {
      this.known.delete(message.id);
      this.receipts.delete(message.id);
    }
    this.older = this.messages[0].id;
  }

  // ---- receipts ----

  // What is heard of a message whose receipts were never asked for is kept, and shown once the rest is known, too.
  receiptsOf(messageId) {
    let found = this.receipts.get(messageId);
    if (found === undefined) {
      found = { isWhole: false, askedAt: 0, delivered: new Map(), read: new Map() };
      this.receipts.set(messageId, found);
    }
    return found;
  }

  delivered(messageId, userId, time) {
    this.receiptsOf(messageId).delivered.set(userId, time);
  }

  read(messageId, userId, time) {
    const found = this.receiptsOf(messageId);
    found.read.set(userId, time);
    if (!found.delivered.has(userId)) {
      found.delivered.set(userId, time);
    }
  }

  wholeReceipts(messageId, items) {
    const found = this.receiptsOf(messageId);
    for (const { userId, deliveredAt, readAt } of items) {
      if (deliveredAt !== null) {
        found.delivered.set(userId, deliveredAt);
      }
      if (readAt !== null) {
        this.read(messageId, userId, readAt);
      }
    }
    found.isWhole = true;
  }

  doubtReceipts() {
    this.receipts.forEach((found) => Object.assign(found, { isWhole: false, askedAt: 0 }));
  }

  others(userId) {
    return this.members === null ? null : [...this.members.values()].filter((one) => one.userId !== userId);
  }

  // { all, delivered, read } of those who are in the room now; null: not known.
  people(message) {
    const found = this.receipts.get(message.id);
    const others = this.others(message.sender.id);
    if (others === null || found === undefined || !found.isWhole) {
      return null;
    }
    return { all: others.length, delivered: others.filter((one) => found.delivered.has(one.userId)).length,
      read: others.filter((one) => found.read.has(one.userId)).length };
  }

  typists(now = Date.now()) {
    return [...this.typing].filter(([, until]) => until > now).map(([userId]) => this.nameOf(userId));
  }

  nameOf(userId) {
    return this.members?.get(userId)?.username ?? this.messages.find((one) => one.sender.id === userId)?.sender.username ??
      `Number ${userId}`;
  }
}
