// The state of the page, and how it follows the server: one socket, the REST calls, and what each of them says.
// Those who show it listen for 'change' and look again; 'message' carries what has just been said by somebody else.
import { Outbox } from './outbox.js';
import { Room, TYPING_MS } from './room.js';
import { io } from './socket.io.js';

const PAGE = 40, LARGE_PAGE = 100;
const UNREAD_PAGES = 20;            // large ones, to come to the first that is unread
const REST_PAGES = 200;             // large ones, to read all that is not loaded
const CATCH_UP_PAGES = 5;           // further behind than this, what is here is given up for what is new
const ASK_EVERY_MS = 5000, ASK_HIDDEN_EVERY_MS = 60_000;     // how the line and the link to the centre stand
const CONNECT_MS = 5000;            // an attempt that takes longer is made anew
const DOUBT_MS = 2000;              // a message without an answer for this long: is the line still there?
const COME_BACK_MS = 1000, COME_BACK_MAX_MS = 5000;
const AT_ONCE = 4;                  // receipts asked for at the same time
const GATHER_MS = 250, READ_AT_ONCE = 500, ANSWER_MS = 10_000;
const RECOUNT_MS = 2000, RECEIPTS_AGAIN_MS = 15_000;
const TYPING_EVERY_MS = 3000, TYPING_PAUSE_MS = 5000;

export class Chat extends EventTarget {
  constructor(api, { user, token }) {
    super();
    Object.assign(this, { api, me: user, token, rooms: new Map(), open: null, isConnected: false, hasRooms: false, sync: null,
      wanted: [], asking: 0, told: null, heardAt: 0, refusals: 0 });
    this.outbox = new Outbox({ userId: user.id, isConnected: () => this.isConnected,
      send: (payload, ms) => this.ask('send_message', payload, ms),
      onSent: (message) => this.sent(message), onChange: () => this.changed() });
  }

  // ---- the line ----

  start() {
    this.socket = io({ auth: { token: this.token }, reconnectionDelay: 500, reconnectionDelayMax: 3000, timeout: CONNECT_MS });
    this.socket.io.on('open', () => this.socket.io.engine.on('packet', () => { this.heardAt = Date.now(); }));
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
    clearTimeout(this.askTimer);
    clearTimeout(this.comeBackTimer);
    clearTimeout(this.typingTimer);
    clearTimeout(this.roomsTimer);
    clearTimeout(this.settleTimer);
    this.outbox.stop();
    this.socket.removeAllListeners();
    this.socket.disconnect();
  }

  // What the journal has since is replayed by itself when the socket was recovered; the rest is asked for in any case, since it
  // is not replayed: at the centre or not, who is here, how many are unread.
  connected() {
    this.isConnected = true;
    this.refusals = 0;
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
      room.readQueue.clear();
      room.isRestRead = false;
    }
    this.comeBack();
    this.changed();
  }

  // Later each time, and not all clients at once.
  comeBack(least = 0) {
    if (!this.isStopped && !this.socket.active) {
      const wait = Math.min(COME_BACK_MAX_MS, COME_BACK_MS * ++this.refusals);
      clearTimeout(this.comeBackTimer);
      this.comeBackTimer = setTimeout(() => this.socket.connect(), Math.max(least, wait * (0.5 + Math.random())));
    }
  }

  // Something says that the line may be back: no need to wait for the next attempt's time.
  hurry() {
    if (this.isConnected) {
      this.askHow();
    } else if (!this.isStopped) {
      this.socket.disconnect().connect();
    }
  }

  // The line is dead, whatever the browser believes; stock clients would wait for the next ping, up to 45 s.
  lost() {
    if (this.isConnected) {
      this.socket.io.engine.close();
    }
  }

  // An event with an ack. Without an answer for a while the line is looked at.
  async ask(event, payload, ms) {
    const doubt = setTimeout(() => this.askHow(), DOUBT_MS);
    try {
      return await this.socket.timeout(ms).emitWithAck(event, payload);
    } finally {
      clearTimeout(doubt);
    }
  }

  refused(error) {
    if (/^Unauthorized/.test(error.message)) {
      this.dispatchEvent(new Event('unauthorized'));
    } else {
      this.comeBack(1000 * (error.data?.retryAfter ?? 0));
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
    this.askHow();
    if (this.open !== null) {
      this.refreshRoom(this.open);
    }
  }

  // ---- rooms ----

  refreshRooms() {
    return this.quietly(async () => {
      this.rooms.forEach((room) => { room.isLastHeard = false; });
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
      Object.assign(room, { newSince: undefined, unreadAtFirst: room.unread, isRestRead: false });
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
        await this.loadUnread(room);
      } finally {
        room.isLoading = false;
        this.changed();
      }
    });
  }

  async catchUp(room) {
    const had = new Set(room.known.keys());
    const pages = [];
    let cursor;
    do {
      pages.push(await this.api.history(room.id, PAGE, cursor));
      cursor = pages.at(-1).nextCursor;
    } while (cursor !== null && !(room.touches(pages, had) && room.settles(pages)) && pages.length < CATCH_UP_PAGES);
    if (!room.touches(pages, had)) {
      room.empty(had);
    }
    const isFirst = room.older === undefined;
    this.take(room, pages.flatMap(({ items }) => items));
    if (isFirst || cursor === null) {
      room.goesOn(pages.at(-1));
    }
    room.markNew(this.me.id);
  }

  take(room, items) {
    room.put(items);
    items.filter(({ sender }) => sender.id === this.me.id).forEach((message) => this.outbox.claim(message));
  }

  async takeOlder(room, limit) {
    const page = await this.api.history(room.id, limit, room.older);
    this.take(room, page.items);
    room.goesOn(page);
    room.markNew(this.me.id);
  }

  // The reader begins at the first that is unread, if that is not too far up.
  async loadUnread(room) {
    for (let i = 0; i < UNREAD_PAGES && room === this.open && room.newSince === undefined && room.older && !room.isPartial; i++) {
      await this.takeOlder(room, LARGE_PAGE);
    }
  }

  loadOlder(room) {
    if (room.isLoading || (!room.older && !room.isPartial)) {
      return Promise.resolve();
    }
    return this.quietly(async () => {
      room.isLoading = true;
      this.changed();
      try {
        await this.takeOlder(room, PAGE);
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
    const room = this.rooms.get(message.roomId);
    room?.add(message);
    this.settle(room);
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
    this.settle(room);
    if (message.sender.id === this.me.id) {
      room.receiptsOf(message.id).isWhole ||= isNew && this.socket.connected;
      this.outbox.claim(message);
    } else if (isNew) {
      room.unread++;
      if (room === this.open && room.newSince === undefined) {
        room.unreadAtFirst++;
      }
      this.dispatchEvent(new CustomEvent('message', { detail: { room, message } }));
    }
  }

  // What came late stands in the middle: the server says where, and which is the room's last.
  settle(room) {
    if (room !== undefined && room.doubted.size > 0) {
      clearTimeout(this.settleTimer);
      this.settleTimer = setTimeout(() => this.refreshRoom(room), GATHER_MS);
      this.refreshRoomsIn(RECOUNT_MS);
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

  // Somebody else's message is on the screen, and the reader before it: they have read it and what is above it.
  seen(room, messageId) {
    if (room.unread > 0 && !room.readTold.has(messageId)) {
      this.markRead(room, room.unreadUpTo(messageId, this.me.id));
    }
  }

  // The reader is at the end: what is unread and not loaded is read as well, so that the count ends.
  seenAll(room) {
    const newest = room.messages.at(-1);
    if (room.unread === 0 || newest === undefined || room.isLoading) {
      return;
    }
    const left = room.unreadUpTo(newest.id, this.me.id);
    this.markRead(room, left);
    if (left.length === 0 && room.readQueue.size === 0 && room.older && !room.isRestRead) {
      room.isRestRead = true;
      this.quietly(() => this.readRest(room));
    }
  }

  async readRest(room) {
    let cursor = room.older;
    for (let i = 0; i < REST_PAGES && cursor !== null && room.unread > 0 && this.isConnected; i++) {
      const page = await this.api.history(room.id, LARGE_PAGE, cursor);
      cursor = page.nextCursor;
      await this.tellRead(room, page.items.filter(({ sender }) => sender.id !== this.me.id).map(({ id }) => id));
    }
    this.refreshRoomsIn(RECOUNT_MS);
  }

  markRead(room, messageIds) {
    const isDue = room.readQueue.size > 0;
    messageIds.forEach((id) => room.readQueue.add(id));
    if (!isDue && room.readQueue.size > 0) {
      setTimeout(() => this.tellQueue(room), GATHER_MS);
    }
  }

  async tellQueue(room) {
    while (this.isConnected && room.readQueue.size > 0) {
      const messageIds = [...room.readQueue].slice(0, READ_AT_ONCE);
      messageIds.forEach((id) => { room.readTold.add(id); room.readQueue.delete(id); });
      await this.tellRead(room, messageIds);
    }
    this.refreshRoomsIn(RECOUNT_MS);
  }

  // Without an answer it is told again, while they are on the screen.
  async tellRead(room, messageIds) {
    const answer = messageIds.length === 0 ? { ok: true }
      : await this.ask('read_message', { roomId: room.id, messageIds }, ANSWER_MS).catch(() => ({ ok: false }));
    if (!answer.ok) {
      messageIds.forEach((id) => room.readTold.delete(id));
    }
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

  // ---- how the line and the link to the centre stand ----

  // No answer, and nothing heard by the socket meanwhile: the line is dead.
  async askHow() {
    clearTimeout(this.askTimer);
    const askedAt = Date.now();
    const answer = await this.quietly(() => this.api.sync());
    if (this.isStopped) {
      return;
    }
    if (answer !== undefined) {
      this.sync = answer;
      this.changed();
    } else if (this.api.heardAt < askedAt && this.heardAt < askedAt) {
      this.lost();
    }
    clearTimeout(this.askTimer);
    this.askTimer = setTimeout(() => this.askHow(), document.hidden ? ASK_HIDDEN_EVERY_MS : ASK_EVERY_MS);
  }
}
