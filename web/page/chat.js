// The state of the page, and how it follows the server: one socket, the REST calls, and what each of them says.
// Those who show it listen for 'change' and look again; 'message' carries what has just been said by somebody else.
import { Outbox } from './outbox.js';
import { Room, TYPING_MS } from './room.js';
import { io } from './socket.io.js';

const PAGE = 40;
const CATCH_UP_PAGES = 5;           // further behind than this, what is here is given up for what is new
const SYNC_EVERY_MS = 10_000, SYNC_OFF_EVERY_MS = 60_000;
const AT_ONCE = 4;                  // receipts asked for at the same time
const GATHER_MS = 250, READ_AT_ONCE = 500;
const RECOUNT_MS = 2000, RECEIPTS_AGAIN_MS = 15_000;
const TYPING_EVERY_MS = 3000, TYPING_PAUSE_MS = 5000;

export class Chat extends EventTarget {
  constructor(api, { user, token }) {
    super();
    Object.assign(this, { api, me: user, token, rooms: new Map(), open: null, isConnected: false, hasRooms: false, sync: null,
      wanted: [], asking: 0, told: null });
    this.outbox = new Outbox({ userId: user.id, isConnected: () => this.isConnected,
      send: (payload, ms) => this.socket.timeout(ms).emitWithAck('send_message', payload),
      onSent: (message) => this.sent(message), onChange: () => this.changed() });
  }

  // ---- the line ----

  start() {
    this.socket = io({ auth: { token: this.token }, reconnectionDelay: 500, reconnectionDelayMax: 3000 });
    this.socket.on('connect', () => this.connected());
    this.socket.on('disconnect', () => this.disconnected());
    this.socket.on('connect_error', (e) => this.refused(e));
    for (const name of ['receive_message', 'delivered', 'read', 'synced', 'typing', 'user_status', 'member_joined', 'member_left']) {
      this.socket.on(name, (event) => { this[name](event); this.changed(); });
    }
    this.refresh();
  }

  stop() {
    this.isStopped = true;
    this.isConnected = false;
    clearTimeout(this.syncTimer);
    clearTimeout(this.typingTimer);
    clearTimeout(this.roomsTimer);
    this.outbox.stop();
    this.socket.removeAllListeners();
    this.socket.disconnect();
  }

  // What the journal has since is replayed by itself when the socket was recovered; the rest is asked for in any case, since it
  // is not replayed: at the centre or not, who is here, how many are unread.
  connected() {
    this.isConnected = true;
    if (!this.socket.recovered) {
      this.rooms.forEach((room) => room.doubtReceipts());
    }
    this.refresh();
    this.refreshRoomsIn(RECOUNT_MS);    // what was replayed meanwhile may have been counted twice
    this.outbox.pump();
    this.changed();
  }

  // Stock clients come back by themselves unless it was the server who ended it: then we ask to.
  disconnected() {
    this.isConnected = false;
    this.told = null;
    for (const room of this.rooms.values()) {
      room.typing.clear();
      room.readTold.clear();
    }
    if (!this.isStopped && !this.socket.active) {
      setTimeout(() => { if (!this.isStopped) { this.socket.connect(); } }, 1000);
    }
    this.changed();
  }

  refused(error) {
    if (/^Unauthorized/.test(error.message)) {
      this.dispatchEvent(new Event('unauthorized'));
    } else if (!this.socket.active && !this.isStopped) {
      setTimeout(() => { if (!this.isStopped) { this.socket.connect(); } }, 1000);
    }
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  // A call whose failure is not the reader's business: it is made again when the line is back.
  async quietly(work) {
    try {
      return await work();
    } catch (e) {
      if (e.status === undefined) {
        throw e;                    // a mistake of ours
      }
      return undefined;
    }
  }

  refresh() {
    this.refreshRooms();
    this.askSync();
    if (this.open !== null) {
      this.refreshRoom(this.open);
    }
  }

  // ---- rooms ----

  refreshRooms() {
    return this.quietly(async () => {
      const rows = await this.api.rooms();
      const gone = new Set(this.rooms.keys());
      for (const row of rows) {
        gone.delete(row.id);
        const room = this.rooms.get(row.id);
        room === undefined ? this.rooms.set(row.id, new Room(row)) : room.update(row);
      }
      gone.forEach((id) => this.forget(id));
      this.hasRooms = true;
      this.changed();
    });
  }

  // Many events in a row are one question.
  refreshRoomsIn(ms) {
    clearTimeout(this.roomsTimer);
    this.roomsTimer = setTimeout(() => this.refreshRooms(), ms);
  }

  forget(roomId) {
    this.rooms.delete(roomId);
    if (this.open?.id === roomId) {
      this.open = null;
    }
  }

  async show(roomId) {
    const room = this.rooms.get(roomId) ?? null;
    if (this.open === room) {
      return;
    }
    this.typed(false);
    this.open?.trim();
    this.open = room;
    if (room !== null) {
      room.newSince = undefined;
      room.unreadAtFirst = room.unread;
      this.changed();
      await this.refreshRoom(room);
    }
    this.changed();
  }

  async createRoom(name, isPrivate) { return this.entered((await this.api.createRoom(name, isPrivate)).id); }
  async joinRoom(roomId) { return this.entered((await this.api.join(roomId)).member.roomId); }
  async addMember(room, userId) { await this.api.addMember(room.id, userId); await this.refreshMembers(room); }
  async leave(room) { await this.api.leave(room.id); this.forget(room.id); this.changed(); }

  async entered(roomId) {
    await this.refreshRooms();
    return roomId;
  }

  refreshMembers(room) {
    return this.quietly(async () => {
      room.members = new Map((await this.api.members(room.id)).map((one) => [one.userId, one]));
      this.changed();
    });
  }

  // ---- history ----

  refreshRoom(room) {
    this.refreshMembers(room);
    return this.quietly(async () => {
      room.isLoading = true;
      try {
        await this.catchUp(room);
      } finally {
        room.isLoading = false;
        this.changed();
      }
    });
  }

  async catchUp(room) {
    const pages = [];
    let cursor;
    do {
      pages.push(await this.api.history(room.id, PAGE, cursor));
      cursor = pages.at(-1).nextCursor;
    } while (!room.touches(pages.at(-1)) && pages.length < CATCH_UP_PAGES);
    if (!room.touches(pages.at(-1))) {
      room.empty();
    }
    const isFirst = room.older === undefined;
    for (const page of pages) {
      this.take(room, page);
    }
    if (isFirst || pages.at(-1).nextCursor === null) {
      room.goesOn(pages.at(-1));
    }
    this.markNew(room);
  }

  take(room, page) {
    for (const message of page.items) {
      room.add(message);
      if (message.sender.id === this.me.id) {
        this.outbox.claim(message);
      }
    }
  }

  // Above the oldest of those that were unread when the room was opened stands "New".
  markNew(room) {
    if (room.newSince !== undefined) {
      return;
    }
    const theirs = room.messages.filter((one) => one.sender.id !== this.me.id);
    const n = Math.min(room.unreadAtFirst ?? 0, theirs.length);
    room.newSince = n > 0 ? theirs[theirs.length - n].id : null;
  }

  loadOlder(room) {
    if (room.isLoading || (!room.older && !room.isPartial)) {
      return Promise.resolve();
    }
    return this.quietly(async () => {
      room.isLoading = true;
      this.changed();
      try {
        const page = await this.api.history(room.id, PAGE, room.older);
        this.take(room, page);
        room.goesOn(page);
      } finally {
        room.isLoading = false;
        this.changed();
      }
    });
  }

  // ---- messages ----

  send(roomId, content) {
    if (content.trim() === '') {
      return;
    }
    const room = this.rooms.get(roomId);
    this.typed(false);
    this.outbox.add(roomId, content, room?.messages.reduce((most, one) => Math.max(most, one.id), room.last?.id ?? 0) ?? 0);
  }

  // The ack. The event with the same message came before it, unless the line broke between them.
  sent(message) {
    this.rooms.get(message.roomId)?.add(message);
    this.changed();
  }

  receive_message(message) {
    const room = this.rooms.get(message.roomId);
    if (room === undefined) {
      this.refreshRoomsIn(GATHER_MS);
      return;
    }
    room.typing.delete(message.sender.id);
    const isNew = room.add(message);
    if (message.sender.id === this.me.id) {
      room.receiptsOf(message.id).isWhole ||= isNew && this.socket.connected;
      this.outbox.claim(message);
    } else if (isNew) {
      room.unread++;
      this.dispatchEvent(new CustomEvent('message', { detail: { room, message } }));
    }
  }

  synced({ messageIds, syncedAt }) {
    for (const id of messageIds) {
      for (const room of this.rooms.values()) {
        const message = room.known.get(id);
        if (message !== undefined) {
          message.syncedAt = syncedAt;
        }
      }
    }
  }

  // ---- receipts ----

  delivered({ messageId, roomId, userIds, deliveredAt }) {
    const room = this.rooms.get(roomId);
    userIds.forEach((userId) => room?.delivered(messageId, userId, deliveredAt));
  }

  read({ roomId, messageIds, userId, readAt }) {
    const room = this.rooms.get(roomId);
    messageIds.forEach((id) => room?.read(id, userId, readAt));
    if (userId === this.me.id && room !== undefined) {      // here or on another device; those that were read before are not named
      room.unread = Math.max(0, room.unread - messageIds.length);
    }
  }

  // What is on the screen and our own: how far it has come is asked for once, or again after a while if the answer was no use.
  wantReceipts(room, messageId) {
    const found = room.receiptsOf(messageId);
    if (!found.isWhole && Date.now() - found.askedAt > RECEIPTS_AGAIN_MS) {
      found.askedAt = Date.now();
      this.wanted.push({ room, messageId });
      this.askReceipts();
    }
  }

  async askReceipts() {
    if (this.asking >= AT_ONCE || this.wanted.length === 0) {
      return;
    }
    const { room, messageId } = this.wanted[0];
    this.asking++;
    this.wanted.shift();
    await this.quietly(async () => {
      const answer = await this.api.receipts(messageId);
      if (!answer.partial) {
        room.wholeReceipts(messageId, answer.items);
        this.changed();
      }
    });
    this.asking--;
    this.askReceipts();
  }

  // Somebody else's message is on the screen, and the reader before it.
  seen(room, messageId) {
    if (room.unread === 0 || !this.isConnected || room.readTold.has(messageId) || room.readQueue.has(messageId)) {
      return;
    }
    room.readQueue.add(messageId);
    if (room.readQueue.size === 1) {
      setTimeout(() => this.tellRead(room), GATHER_MS);
    }
  }

  // Without an answer it is told again, once the line is back.
  tellRead(room) {
    const messageIds = [...room.readQueue].slice(0, READ_AT_ONCE);
    room.readQueue.clear();
    if (!this.isConnected || messageIds.length === 0) {
      return;
    }
    messageIds.forEach((id) => room.readTold.add(id));
    this.socket.emit('read_message', { roomId: room.id, messageIds });
    this.refreshRoomsIn(RECOUNT_MS);
  }

  // ---- people ----

  typing({ roomId, userId, isTyping }) {
    const room = this.rooms.get(roomId);
    if (isTyping && userId !== this.me.id) {
      room?.typing.set(userId, Date.now() + TYPING_MS);
      setTimeout(() => this.changed(), TYPING_MS + 50);
    } else {
      room?.typing.delete(userId);
    }
  }

  // The reader types, or has stopped to.
  typed(isTyping) {
    clearTimeout(this.typingTimer);
    const roomId = this.open?.id;
    if (!isTyping) {
      if (this.told !== null && this.isConnected) {
        this.socket.emit('typing', { roomId: this.told.roomId, isTyping: false });
      }
      this.told = null;
      return;
    }
    if (roomId !== undefined && this.isConnected && (this.told === null || Date.now() - this.told.at > TYPING_EVERY_MS)) {
      this.socket.emit('typing', { roomId, isTyping: true });
      this.told = { roomId, at: Date.now() };
    }
    this.typingTimer = setTimeout(() => this.typed(false), TYPING_PAUSE_MS);
  }

  user_status({ userId, status }) {
    for (const room of this.rooms.values()) {
      const person = room.members?.get(userId);
      if (person !== undefined) {
        person.status = status;
        person.lastSeen = new Date().toISOString();
      }
    }
  }

  member_joined({ roomId, user }) {
    const room = this.rooms.get(roomId);
    if (user.id === this.me.id && room === undefined) {
      this.refreshRoomsIn(GATHER_MS);
    } else if (room?.members && !room.members.has(user.id)) {
      this.refreshMembers(room);    // whether the new one is here is not said
    }
  }

  member_left({ roomId, userId }) {
    if (userId === this.me.id) {
      this.forget(roomId);
    } else {
      this.rooms.get(roomId)?.members?.delete(userId);
    }
  }

  // ---- the centre ----

  async askSync() {
    clearTimeout(this.syncTimer);
    const answer = await this.quietly(() => this.api.sync());
    if (this.isStopped) {
      return;
    }
    if (answer !== undefined) {
      this.sync = answer;
      this.changed();
    }
    this.syncTimer = setTimeout(() => this.askSync(), this.sync?.state === 'off' ? SYNC_OFF_EVERY_MS : SYNC_EVERY_MS);
  }
}
