// One room as this page knows it: its messages in order, who is in it, and what is known of each own message's way.
// Messages stand in the order of the history, so those that arrive late from other sites stand where a reload would put them.

const KEPT = 100;                   // messages of a room that is not looked at; older ones are fetched again
export const TYPING_MS = 8000;      // how long somebody types without saying so again

export class Room {
  messages = [];                    // oldest first
  known = new Map();                // by id
  receipts = new Map();             // by message id: { delivered: Map(userId, time), read: Map(userId, time) }
  members = null;                   // Map(userId, { userId, username, status, lastSeen }), once known
  typing = new Map();               // userId -> until when
  older = undefined;                // cursor of the page before; null: there is none; undefined: nothing is loaded yet
  isPartial = false;                // older messages are at the centre, which is out of reach
  doubted = new Set();              // ids of messages whose place was guessed from their time
  last = null;                      // the newest message, be it loaded or not
  isLastHeard = false;              // it came after GET /rooms was asked
  unread = 0;
  readAbove = null;                 // id: this message and all before it are read
  isRestRead = false;               // those that are not loaded were gone through as well
  readTold = new Set();             // ids of others' messages that were on the screen, and that was sent
  readQueue = new Set();            // and those of which it is to be
  draft = '';
  unreadAtFirst = 0;                // how many were unread when the room was opened
  newSince = null;                  // id of the first message that was unread when the room was opened

  constructor(row) {
    this.update(row);
  }

  // What GET /rooms says. What was heard since it was asked is newer.
  update({ id, name, isPrivate, createdAt, unread, lastMessage }) {
    Object.assign(this, { id, name, isPrivate, createdAt, unread: unread ?? 0 });
    if (!this.isLastHeard) {
      this.last = lastMessage ?? null;
    }
  }

  // Where the room stands among the others: when something was last said, or when it was made.
  get lastAt() { return this.last?.createdAt ?? this.createdAt; }

  // One that was heard. true: it was not known. Where it stands the history says; until that is asked, its time does.
  add(message) {
    if (this.known.has(message.id)) {
      this.merge(message);
      return false;
    }
    const own = this.merge(message);
    let at = this.messages.length;
    while (at > 0 && own.createdAt < this.messages[at - 1].createdAt) {
      at--;
    }
    if (at < this.messages.length) {
      this.doubted.add(own.id);
      this.readAbove = null;
    }
    this.messages.splice(at, 0, own);
    if (this.last === null || own.createdAt >= this.last.createdAt) {
      this.last = own;
      this.isLastHeard = true;
    }
    return true;
  }

  // A stretch of the history, newest first, without gaps: its order is the server's. What is here and not in it stays where it is,
  // before the stretch or behind it.
  put(items) {
    const stretch = items.map((message) => this.merge(message)).reverse();
    const isIn = new Set(stretch);
    const from = Math.max(0, this.messages.findIndex((one) => isIn.has(one) && !this.doubted.has(one.id)));
    const others = (list) => list.filter((one) => !isIn.has(one));
    this.messages = [...others(this.messages.slice(0, from)), ...stretch, ...others(this.messages.slice(from))];
    stretch.forEach((one) => this.doubted.delete(one.id));
    this.last = this.messages.at(-1) ?? this.last;
  }

  merge(message) {
    const known = this.known.get(message.id);
    if (known !== undefined) {
      known.syncedAt ??= message.syncedAt ?? null;
      return known;
    }
    const own = { syncedAt: null, ...message };
    this.known.set(own.id, own);
    return own;
  }

  // The newest pages again, after the line was down. had: the ids that were here before them. false: the pages do not reach those,
  // so that there may be a gap.
  touches(pages, had) {
    return had.size === 0 || pages.at(-1).nextCursor === null || pages.some(({ items }) => items.some(({ id }) => had.has(id)));
  }

  // Whether all of whose place there is a doubt are in these.
  settles(pages) {
    const ids = new Set(pages.flatMap(({ items }) => items.map(({ id }) => id)));
    return [...this.doubted].every((id) => ids.has(id));
  }

  // Where the history goes on behind this page. One that is partial without a cursor ends where the last one did.
  goesOn({ nextCursor, partial }) {
    this.isPartial = partial === true;
    this.older = nextCursor ?? (this.isPartial ? this.messages[0]?.id ?? null : null);
  }

  forget(isGone) {
    this.messages = this.messages.filter((one) => !isGone(one));
    for (const id of [...this.known.keys()].filter((one) => isGone({ id: one }))) {
      [this.known, this.receipts, this.doubted].forEach((of) => of.delete(id));
    }
  }

  // All that were here before: behind them may be a gap.
  empty(had) {
    this.forget(({ id }) => had.has(id));
    this.older = undefined;
  }

  trim(kept = KEPT) {
    if (this.messages.length <= kept) {
      return;
    }
    const gone = new Set(this.messages.slice(0, -kept).map(({ id }) => id));
    this.forget(({ id }) => gone.has(id));
    this.older = this.messages[0].id;
  }

  // ---- what is read ----

  // Above the oldest of those that were unread when the room was opened stands "New"; undefined while that is not loaded.
  markNew(readerId) {
    if (this.newSince !== undefined) {
      return;
    }
    const theirs = this.messages.filter((one) => one.sender.id !== readerId);
    if (this.unreadAtFirst > theirs.length && this.older) {
      return;
    }
    const first = this.unreadAtFirst > 0 ? theirs.at(-this.unreadAtFirst) ?? theirs[0] : undefined;
    this.newSince = first?.id ?? null;
    const read = first === undefined ? this.messages : this.messages.slice(0, this.messages.indexOf(first));
    this.readAbove = read.at(-1)?.id ?? null;
  }

  // Others' messages up to this one of which it is not told yet that they are read.
  unreadUpTo(messageId, readerId) {
    const end = this.messages.findLastIndex((one) => one.id === messageId) + 1;
    const start = this.messages.findLastIndex((one) => one.id === this.readAbove) + 1;
    const isUnread = ({ id, sender }) => sender.id !== readerId && !this.readTold.has(id);
    return this.messages.slice(start, end).filter(isUnread).map(({ id }) => id);
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
