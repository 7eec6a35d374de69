// What is asked and shown over the page. <dialog> keeps the focus inside and gives it back.
import { at, empty, make, say } from './dom.js';
import { linked } from './links.js';
import { count, initial, isolate, moment, presence } from './words.js';

const HUES = 6;

// "#12", "12": the id, or null
const idOf = (text) => { const found = /^\s*#?(\d{1,16})\s*$/.exec(text); return found === null ? null : Number(found[1]); };

function fact(name, value) {
  return [make('dt', {}, name), make('dd', {}, value)];
}

function personRow({ userId, username }, text, isHere) {
  return make('li', {}, make(`span.avatar.hue-${userId % HUES}`, { 'aria-hidden': 'true' }, initial(username)),
    make('span.person', {}, make('span.person-name', {}, username), make('span.soft', {}, text)),
    isHere ? make('span.here', { 'aria-hidden': 'true' }) : null);
}

export class Dialogs {
  constructor({ onEntered, onLogout, onLeft }) {
    Object.assign(this, { onEntered, onLogout, onLeft, message: null, leaving: null });
    document.querySelectorAll('dialog').forEach((dialog) => {
      dialog.querySelector('[data-close]').onclick = () => dialog.close();
      dialog.addEventListener('click', (event) => { if (event.target === dialog) { dialog.close(); } });
    });
    this.opens('create', () => { at('create-name').value = ''; at('create-private').checked = false; });
    this.opens('join', () => { at('join-id').value = ''; });
    this.opens('people', () => { at('add-id').value = ''; this.drawPeople(); });
    this.opens('account', () => this.drawAccount());
    this.opens('leave', () => this.askToLeave());
    this.submits('create', () => this.create());
    this.submits('join', () => this.join());
    this.submits('people', () => this.add());
    this.submits('leave', () => this.leave());
    at('logout').onclick = () => this.onLogout();
    at('details').addEventListener('close', () => { this.message = null; });
  }

  opens(name, prepare) {
    at(`${name}-open`).onclick = () => {
      const error = at(`${name}-error`);
      if (error !== null) {
        say(error, '');
      }
      prepare();
      at(name).showModal();
    };
  }

  submits(name, work) {
    at(name).querySelector('form').onsubmit = (event) => {
      event.preventDefault();
      this.attempt(name, work);
    };
  }

  async attempt(name, work) {
    say(at(`${name}-error`), '');
    try {
      await work();
    } catch (e) {
      if (e.status === undefined) {
        throw e;
      }
      say(at(`${name}-error`), e.message.replace(/[^.!?]$/, '$&.'));
    }
  }

  // Nothing of them is for who comes next.
  clear() {
    this.closeAll();
    this.leaving = null;
    empty('leave-text', 'people-room', 'people-list', 'details-text', 'details-way', 'details-people', 'account-facts');
    this.drawnPeople = null;
  }

  closeAll() { document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close()); }

  draw() {
    if (at('people').open) {
      this.chat.open === null ? this.closeAll() : this.drawPeople();
    }
    if (this.message !== null) {
      this.drawDetails();
    }
  }

  // ---- rooms ----

  async create() {
    const id = await this.chat.createRoom(at('create-name').value, at('create-private').checked);
    at('create').close();
    this.onEntered(id);
  }

  async join() {
    const id = idOf(at('join-id').value);
    if (id === null) {
      say(at('join-error'), 'A room’s number has digits only.');
      return;
    }
    const roomId = await this.chat.joinRoom(id);
    at('join').close();
    this.onEntered(roomId);
  }

  async add() {
    const id = idOf(at('add-id').value);
    if (id === null) {
      say(at('people-error'), 'A person’s number has digits only.');
      return;
    }
    await this.chat.addMember(this.chat.open, id);
    at('add-id').value = '';
  }

  askToLeave() {
    const { name, isPrivate } = this.leaving = this.chat.open;
    const back = isPrivate ? 'You come back only when a member adds you.' : 'You can join it again by its number.';
    say(at('leave-text'), `You are about to leave ${isolate(name)}. ${back}`);
  }

  async leave() {
    await this.chat.leave(this.leaving);
    at('leave').close();
    at('people').close();
    this.onLeft();
  }

  drawPeople() {
    const room = this.chat.open;
    const all = [...room.members?.values() ?? []];
    say(at('people-room'), `${isolate(room.name)} is ${room.isPrivate ? 'a private room' : 'an open room'}, number\u00a0${room.id}.`);
    const { isConnected } = this.chat;
    const key = JSON.stringify([room.id, isConnected, all, Math.floor(Date.now() / 60_000)]);
    if (key !== this.drawnPeople || at('people-list').childElementCount === 0) {
      this.drawnPeople = key;
      all.sort((a, b) => (b.status === 'online') - (a.status === 'online') || a.username.localeCompare(b.username));
      const about = (one) => one.userId === this.chat.me.id ? `You · number ${one.userId}` : presence(one, isConnected);
      at('people-list').replaceChildren(...all.map((one) => personRow(one, about(one), isConnected && one.status === 'online')));
    }
  }

  // ---- one message ----

  details(message) {
    this.message = message;
    this.drawnDetails = null;
    this.drawDetails();
    at('details').showModal();
  }

  drawDetails() {
    const { chat } = this;
    const room = chat.rooms.get(this.message.roomId);
    if (room === undefined) {
      at('details').close();
      return;
    }
    const message = room.known.get(this.message.id) ?? this.message;    // it may have been loaded anew
    const isMine = message.sender.id === chat.me.id;
    const found = room.receipts.get(message.id);
    const key = JSON.stringify([message.id, message.syncedAt, found?.isWhole, [...found?.delivered ?? []], [...found?.read ?? []]]);
    if (key === this.drawnDetails) {
      return;
    }
    this.drawnDetails = key;
    chat.wantReceipts(room, message.id);
    at('details-text').replaceChildren(...linked(message.content));
    at('details-way').replaceChildren(
      ...fact('From', isMine ? 'You' : isolate(message.sender.username)),
      ...fact('On site', moment(message.createdAt)),
      ...(message.syncedAt !== null ? fact('At the centre', moment(message.syncedAt))
        : chat.sync !== null && chat.sync.state !== 'off' && isMine ? fact('At the centre', 'not yet') : []));
    this.drawWay(room, message, found);
  }

  drawWay(room, message, found) {
    const others = room.others(message.sender.id) ?? [];
    const isKnown = found?.isWhole === true;
    say(at('details-people-title'), isKnown || others.length === 0 ? 'Where it has come to' : 'Where it has come to is being asked');
    at('details-people').replaceChildren(...(isKnown ? others : []).map((one) => personRow(one,
      found.read.has(one.userId) ? `Read ${moment(found.read.get(one.userId))}`
        : found.delivered.has(one.userId) ? `Delivered ${moment(found.delivered.get(one.userId))}` : 'Not delivered yet', false)));
    if (others.length === 0) {
      at('details-people').replaceChildren(make('li', {}, make('span.soft', {}, 'Nobody else is in this room.')));
    }
  }

  // ---- the reader ----

  drawAccount() {
    const { me, outbox } = this.chat;
    at('account-facts').replaceChildren(...fact('Name', isolate(me.username)), ...fact('E-mail', me.email),
      ...fact('Number', String(me.id)));
    const n = outbox.items.length;
    at('account-warning').hidden = n === 0;
    say(at('account-warning'), n === 0 ? '' : `${count(n, 'message')} ${n === 1 ? 'has' : 'have'} not left yet. ` +
      `${n === 1 ? 'It goes' : 'They go'} out when you log in again on this device.`);
  }
}
