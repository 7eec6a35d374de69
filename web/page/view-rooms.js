// The list of rooms: name, what was said last, how many are unread.
import { arrange, at, empty, make, say } from './dom.js';
import { count, initial, isolate, typists, when } from './words.js';

export class RoomsView {
  rows = new Map();                 // by room id
  revealed = null;                  // the room that was last brought into sight

  constructor({ onOpen }) {
    this.onOpen = onOpen;
  }

  // Nothing of it is for who comes next.
  clear() {
    this.rows.clear();
    this.revealed = null;
    empty('rooms-list', 'account-initial', 'account-label');
  }

  enter() {
    const { username } = this.chat.me;
    say(at('account-initial'), initial(username));
    say(at('account-label'), `You: ${isolate(username)}`);
  }

  // Back in the list: where one came from, or its first.
  focus(from) {
    const row = this.rows.get(from?.id) ?? [...this.rows.values()][0];
    (row?.button ?? at('create-open')).focus();
  }

  row(room) {
    let row = this.rows.get(room.id);
    if (row === undefined) {
      row = { name: make('span.room-name'), time: make('span.room-time'), text: make('span.room-text'), badge: make('span.badge'),
        unseen: make('span.unseen'), lock: make('span.chip', { 'aria-hidden': 'true' }, 'private') };
      row.button = make('button', { type: 'button', onclick: () => this.onOpen(room.id) },
        make('span.room-top', {}, make('span.room-title', {}, row.name, row.lock), row.time),
        make('span.room-bottom', {}, row.text, row.badge, row.unseen));
      row.badge.setAttribute('aria-hidden', 'true');
      row.item = make('li', {}, row.button);
      this.rows.set(room.id, row);
    }
    return row;
  }

  drawRow(room) {
    const { me, open } = this.chat;
    const row = this.row(room);
    const isOpen = room === open;
    const typing = typists(room.typists());
    const last = room.last;
    const unread = isOpen && document.visibilityState === 'visible' ? 0 : room.unread;
    say(row.name, room.name);
    row.name.title = isolate(room.name);
    row.lock.hidden = !room.isPrivate;
    say(row.time, last === null ? '' : when(last.createdAt));
    say(row.text, typing !== '' ? `${typing}…` : last === null ? 'Nothing said yet'
      : `${last.sender.id === me.id ? 'You' : isolate(last.sender.username)}: ${isolate(last.content)}`);
    row.text.classList.toggle('is-typing', typing !== '');
    say(row.badge, unread > 99 ? '99+' : String(unread));
    row.badge.hidden = unread === 0;
    say(row.unseen, `${room.isPrivate ? ', private' : ''}${unread > 0 ? `, ${count(unread, 'unread message')}` : ''}`);
    isOpen ? row.button.setAttribute('aria-current', 'true') : row.button.removeAttribute('aria-current');
    return row.item;
  }

  // The room that was just opened, be it from here or not, is in sight.
  reveal() {
    const { open } = this.chat;
    if (open !== this.revealed) {
      this.revealed = open;
      this.rows.get(open?.id)?.item.scrollIntoView({ block: 'nearest' });
    }
  }

  draw() {
    const { rooms, hasRooms } = this.chat;
    const order = [...rooms.values()].sort((a, b) => b.lastAt.localeCompare(a.lastAt) || b.id - a.id);
    arrange(at('rooms-list'), order.map((room) => this.drawRow(room)));
    for (const id of [...this.rows.keys()]) {
      if (!rooms.has(id)) {
        this.rows.delete(id);
      }
    }
    at('rooms-list').hidden = rooms.size === 0;
    this.reveal();
    at('rooms-empty').hidden = rooms.size > 0 || !hasRooms;
    say(at('none-title'), rooms.size === 0 ? 'Welcome' : 'Choose a room');
    say(at('none-text'), rooms.size === 0 ? 'Make a room and tell the others its number, or join theirs.'
      : 'Or make a new one, and tell the others its number.');
  }
}
