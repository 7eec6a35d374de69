// The open room: its messages, what is on its way, who types, and the field to write in.
import { arrange, at, empty, make, say } from './dom.js';
import { linked } from './links.js';
import { canRepeat } from './outbox.js';
import { clock, count, day, initial, isolate, state, typists, waiting, whoIsHere } from './words.js';

const GROUP_MS = 5 * 60 * 1000;     // what one says within this is one group
const NEAR_END_PX = 80;
const HUES = 6;
const SHOWN = 400, SHOWN_MOST = 600; // messages of the open room, while the reader is at its end
const NAME_IN_FIELD = 30;           // letters of a room's name

// The index of the first of these rows that ends below top.
function firstBelow(rows, top) {
  let from = 0, to = rows.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    rows[middle].offsetTop + rows[middle].offsetHeight > top ? to = middle : from = middle + 1;
  }
  return from;
}

// Safari ends a composition before it tells of the Enter that ended it, which then is known by its old code alone.
const isComposing = (event) => event.isComposing || event.keyCode === 229;

export class MessagesView {
  rows = new Map();                 // "m12": a message, "o<clientId>": one on its way, "d<day>", "new": elements and what they show
  visible = new Set();              // keys of rows that are on the screen
  sticks = true;                    // the reader is at the newest, and stays there
  missed = 0;                       // came while the reader was further up

  constructor({ onDetails }) {
    this.onDetails = onDetails;
    this.scroller = at('scroller');
    new IntersectionObserver(([last]) => { if (last.isIntersecting && !this.chat?.open?.isPartial) { this.loadOlder(); } },
      { root: this.scroller, rootMargin: '200px 0px 0px' }).observe(at('older'));
    this.scroller.addEventListener('scroll', () => {
      this.isAtEnd() ? this.atEnd() : this.leftEnd();
      this.look();
    }, { passive: true });
    at('older').onclick = () => this.loadOlder();
    at('to-end').onclick = () => { this.toEnd(); at('compose-text').focus(); };
    at('compose').onsubmit = (event) => { event.preventDefault(); this.send(); };
    this.listenToWriting();
    this.listenToKeys();
    new ResizeObserver(() => { if (this.sticks) { this.toEnd(); } this.look(); }).observe(this.scroller);
  }

  // ---- where the reader is ----

  isAtEnd() { return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR_END_PX; }

  atEnd() {
    this.sticks = true;
    this.missed = 0;
    at('to-end').hidden = true;
  }

  leftEnd() {
    this.sticks = false;
    at('to-end').hidden = false;
    say(at('to-end-text'), this.missed > 0 ? count(this.missed, 'new message') : 'To the newest');
  }

  // Somebody else has said something in this room.
  came() {
    if (!this.sticks) {
      this.missed++;
      this.leftEnd();
    }
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.atEnd();
  }

  // Whether the reader has this room before the eyes.
  isAttended(room) {
    return room === this.chat.open && document.visibilityState === 'visible' && document.hasFocus();
  }

  // Which messages are on the screen: at least half of them, or as much as fills half of it.
  look() {
    const { scrollTop: top, clientHeight: height } = this.scroller;
    const rows = at('messages').children;
    this.visible.clear();
    for (let i = firstBelow(rows, top); i < rows.length && rows[i].offsetTop < top + height; i++) {
      const { offsetTop, offsetHeight, dataset } = rows[i];
      const shown = Math.min(offsetTop + offsetHeight, top + height) - Math.max(offsetTop, top);
      if (shown >= Math.min(offsetHeight, height) / 2) {
        this.visible.add(dataset.key);
      }
    }
    this.attend();
  }

  // What is on the screen is read, if somebody is there to read it; of our own we want to know how far they have come.
  attend() {
    const { open: room, me, isConnected } = this.chat ?? {};
    if (!room || !isConnected || this.isNewRoom) {
      return;
    }
    const isAttended = this.isAttended(room);
    for (const key of [...this.visible].filter((one) => one.startsWith('m'))) {
      const message = room.known.get(Number(key.slice(1)));
      if (message?.sender.id === me.id) {
        this.chat.wantReceipts(room, message.id);
      } else if (message !== undefined && isAttended) {
        this.chat.seen(room, message.id);
      }
    }
    if (isAttended && this.sticks) {
      this.chat.seenAll(room);
    }
  }

  loadOlder() {
    const { open: room } = this.chat ?? {};
    if (room && this.chat.isConnected) {
      this.chat.loadOlder(room);
    }
  }

  // With a keyboard one writes at once; on a phone that would raise the keyboard over what one came to read.
  focus() {
    at(matchMedia('(pointer: coarse)').matches ? 'room-name' : 'compose-text').focus();
  }

  // ---- writing ----

  listenToWriting() {
    const text = at('compose-text');
    text.addEventListener('input', () => {
      this.fit();
      this.chat.open.draft = text.value;
      this.chat.typed(text.value.trim() !== '');
    });
    text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !isComposing(event)) {
        event.preventDefault();
        this.send();
      }
    });
  }

  // As high as its text, where the browser does not see to that by itself.
  fit() {
    if (!CSS.supports('field-sizing', 'content')) {
      const text = at('compose-text');
      text.style.height = 'auto';
      text.style.height = `${text.scrollHeight + 2}px`;     // and its borders
    }
  }

  send() {
    const text = at('compose-text');
    const { open: room } = this.chat;
    this.chat.send(room.id, text.value);
    text.value = room.draft = '';
    this.fit();
    text.focus();
    this.sticks = true;
  }

  // Back into the field, before what stands there already.
  edit(item) {
    const text = at('compose-text');
    text.value = this.chat.open.draft = text.value === '' ? item.content : `${item.content}\n${text.value}`;
    this.chat.outbox.drop(item);
    this.fit();
    text.focus();
  }

  // Up and Down go from message to message, Enter opens what is known of one.
  listenToKeys() {
    at('messages').addEventListener('keydown', (event) => {
      const all = [...at('messages').querySelectorAll('li.message')];
      const here = all.indexOf(event.target.closest('li.message'));
      const to = { ArrowUp: here - 1, ArrowDown: here + 1, Home: 0, End: all.length - 1 }[event.key];
      if (to !== undefined && here >= 0) {
        event.preventDefault();
        const next = all[Math.min(Math.max(to, 0), all.length - 1)];
        this.reach(next);
        next.focus();
      } else if (event.key === 'Enter' && event.target.matches('li.message')) {
        event.preventDefault();
        event.target.querySelector('button.state')?.click();
      }
    });
  }

  // Tab comes to one message of the list: the newest, or the one to which the arrows have led.
  reach(item) {
    at('messages').querySelectorAll('li.message[tabindex="0"]').forEach((one) => { one.tabIndex = -1; });
    item.tabIndex = 0;
  }

  // ---- rows ----

  row(key, build) {
    let row = this.rows.get(key);
    if (row === undefined) {
      row = build();
      row.item.dataset.key = key;
      this.rows.set(key, row);
    }
    return row;
  }

  divider(key, text, name) {
    const row = this.row(key, () => ({ item: make(`li.${name}`, {}, make('span')) }));
    say(row.item.firstChild, text);
    return row.item;
  }

  buildMessage(sender, isMine) {
    const row = { who: make('span.who'), text: make('p.text'), time: make('span.time'),
      way: make('button.state', { type: 'button', tabIndex: -1 }), again: make('button.link', { type: 'button' }, 'Send again'),
      edit: make('button.link', { type: 'button' }, 'Edit'), drop: make('button.link', { type: 'button' }, 'Discard') };
    row.acts = make('span.acts', { hidden: true }, row.again, row.edit, row.drop);
    row.avatar = make('span.avatar', { 'aria-hidden': 'true' }, initial(sender.username));
    row.avatar.classList.add(`hue-${sender.id % HUES}`);
    row.who.classList.add(`hue-${sender.id % HUES}`);
    row.item = make(`li.message.${isMine ? 'mine' : 'theirs'}`, { tabIndex: -1 }, isMine ? null : row.avatar,
      make('div.bubble', {}, row.who, row.text, make('span.meta', {}, row.time, row.way, row.acts)));
    say(row.who, isMine ? 'You' : sender.username);
    return row;
  }

  drawMessage(room, message, isFirst) {
    const isMine = message.sender.id === this.chat.me.id;
    const row = this.row(`m${message.id}`, () => {
      const built = this.buildMessage(message.sender, isMine);
      built.way.onclick = () => this.onDetails(message);
      built.text.append(...linked(message.content, { tabIndex: -1 }));      // by keyboard: in the details
      say(built.time, clock(message.createdAt));
      built.time.title = `${day(message.createdAt)}, ${clock(message.createdAt)}`;
      return built;
    });
    row.item.classList.toggle('is-first', isFirst);
    say(row.way, isMine ? state({ syncedAt: message.syncedAt, people: room.people(message) }) : 'Details');
    return row.item;
  }

  drawWaiting(item) {
    const { me, isConnected, outbox } = this.chat;
    const row = this.row(`o${item.clientId}`, () => {
      const built = this.buildMessage({ id: me.id, username: me.username }, true);
      built.again.onclick = () => outbox.again(item);
      built.edit.onclick = () => this.edit(item);
      built.drop.onclick = () => { outbox.drop(item); at('compose-text').focus(); };
      built.way.replaceWith(built.way = make('span.state'));
      say(built.text, item.content);
      say(built.time, clock(item.at));
      return built;
    });
    const isFailed = item.status === 'failed';
    row.item.classList.add('is-first');
    row.item.classList.toggle('is-failed', isFailed);
    row.item.classList.toggle('is-waiting', !isFailed);
    row.acts.hidden = !isFailed;
    row.again.hidden = !canRepeat(item);
    row.edit.hidden = canRepeat(item);
    say(row.way, waiting({ status: item.status, why: item.why, left: outbox.secondsLeft(item), isConnected }));
    return row.item;
  }

  list(room) {
    const items = [];
    let last = null, lastDay = null;
    for (const message of room.messages) {
      const itsDay = new Date(message.createdAt).toDateString(), isNewDay = itsDay !== lastDay;
      lastDay = itsDay;
      if (isNewDay) {
        items.push(this.divider(`d${itsDay}`, day(message.createdAt), 'day'));
      }
      if (message.id === room.newSince) {
        items.push(this.divider('new', 'New', 'new'));
      }
      const isFirst = isNewDay || message.id === room.newSince || last.sender.id !== message.sender.id ||
        new Date(message.createdAt) - new Date(last.createdAt) > GROUP_MS;
      items.push(this.drawMessage(room, message, isFirst));
      last = message;
    }
    for (const item of this.chat.outbox.of(room.id)) {
      if (item.shownAs === null || !room.known.has(item.shownAs)) {
        items.push(this.drawWaiting(item));
      }
    }
    return items;
  }

  forgetRows(items) {
    const shown = new Set(items);
    for (const [key, row] of this.rows) {
      if (!shown.has(row.item)) {
        this.rows.delete(key);
      }
    }
  }

  // ---- all of it ----

  // Nothing of it is for who comes next.
  clear() {
    this.forgetRows([]);
    empty('messages', 'room-name', 'room-sub', 'typing');
    Object.assign(at('compose-text'), { value: '', placeholder: 'Message' });
    at('room-name').title = '';
  }

  draw(isOther) {
    const { open: room } = this.chat;
    at('room-none').hidden = room !== null;
    at('room-open').hidden = room === null;
    if (room === null) {
      this.forgetRows([]);
      return;
    }
    if (isOther) {
      this.begin(room);
    }
    this.drawHead(room);
    if (this.sticks && !this.isNewRoom && room.unread === 0 && room.messages.length > SHOWN_MOST) {
      room.trim(SHOWN);             // the browser lays all of them out anew with each letter that is written
    }
    this.drawList(room);
    this.look();
  }

  begin(room) {
    this.forgetRows([]);
    at('compose-text').value = room.draft;
    this.fit();
    const name = [...room.name];
    const short = `${name.slice(0, NAME_IN_FIELD).join('')}${name.length > NAME_IN_FIELD ? '…' : ''}`;
    at('compose-text').placeholder = `Message to ${isolate(short)}`;
    this.isNewRoom = true;
    this.atEnd();
  }

  // Where one begins to read in a room that was just opened: at what is new, or at the end.
  toStart() {
    const mark = this.rows.get('new')?.item;
    this.isNewRoom = false;
    this.toEnd();
    if (mark !== undefined) {
      this.scroller.scrollTop = mark.offsetTop;
      this.sticks = this.isAtEnd();
    }
  }

  drawHead(room) {
    const others = room.others(this.chat.me.id);
    say(at('room-name'), room.name);
    at('room-name').title = isolate(room.name);
    say(at('room-sub'), others === null ? '' : whoIsHere(others, this.chat.isConnected));
    const names = typists(room.typists());
    say(at('typing'), names === '' ? '' : `${names}…`);
  }

  drawList(room) {
    const fromEnd = this.scroller.scrollHeight - this.scroller.scrollTop;
    const first = at('messages').querySelector('li.message');
    const items = this.list(room);
    arrange(at('messages'), items);
    this.forgetRows(items);
    at('older').hidden = !room.older && !room.isPartial;
    say(at('older'), room.isLoading ? 'Loading…' : room.isPartial ? 'Try again' : 'Earlier messages');
    at('older-note').hidden = !room.isPartial;
    say(at('older-note'), room.isPartial ? 'What is earlier than this is at the centre, which cannot be reached now.' : '');
    at('messages-empty').hidden = items.length > 0 || room.older === undefined;
    this.keepReach();
    if (this.isNewRoom && room.older !== undefined && !room.isLoading) {
      this.toStart();
    } else if (this.sticks) {
      this.toEnd();
    } else if (first !== at('messages').querySelector('li.message')) {
      this.scroller.scrollTop = this.scroller.scrollHeight - fromEnd;     // older ones came above
    }
  }

  keepReach() {
    const last = at('messages').lastElementChild;
    if (last?.matches('li.message') && last.tabIndex !== 0 && !at('messages').contains(document.activeElement)) {
      this.reach(last);
    }
  }
}
