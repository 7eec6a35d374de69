// Messages on their way out, in order, one at a time. Each has a clientId that stays the same however often it is sent, so that
// the server stores it once; it leaves this list when the server has said that it is on disk, and not before.
//
//     waiting --(the line is up, its turn)--> sending --(ack)--> gone
//        ^----------(no answer, busy, too fast)---'  '--(refused for what it is)--> failed --(again)--> waiting
import { forgetWaiting, keepWaiting, waitingOf } from './keep.js';

const ANSWER_MS = 10_000;
const AGAIN_S = 2;                  // when the server does not say how long to wait
const PASSING = new Set(['rate_limited', 'busy', 'storage_full', 'internal', 'no_answer']);
const FINAL = new Set(['bad_request', 'too_large']);        // as it is, it will never be taken

// Whether it may be taken another time: after one was added to the room, say.
export const canRepeat = (item) => !FINAL.has(item.code);

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Outbox {
  // send(payload, ms): the ack, or throws when none came. onSent(message, item), onChange(item).
  constructor({ userId, send, isConnected, onSent, onChange }) {
    Object.assign(this, { userId, send, isConnected, onSent, onChange, isPumping: false, timer: null });
    this.items = waitingOf(userId).map((item) => ({ ...item, status: 'waiting', why: null, notBefore: 0, shownAs: null }));
  }

  of(roomId) { return this.items.filter((item) => item.roomId === roomId); }
  get waiting() { return this.items.filter((item) => item.status !== 'failed').length; }

  // after: the newest message that is known in the room; what is ours and newer may be this one.
  add(roomId, content, after) {
    const last = this.items.at(-1);
    const item = { clientId: newId(), roomId, content: content.trim(), at: Math.max(Date.now(), (last?.at ?? 0) + 1), tries: 0,
      after, status: 'waiting', why: null, notBefore: 0, shownAs: null };
    this.items.push(item);
    this.changed(item);
    this.pump();
    return item;
  }

  again(item) {
    if (item.code === 'key_reused') {
      forgetWaiting(this.userId, item.clientId);
      item.clientId = newId();
    }
    Object.assign(item, { status: 'waiting', why: null, code: null, notBefore: 0 });
    this.changed(item);
    this.pump();
  }

  drop(item) {
    this.items = this.items.filter((one) => one !== item);
    forgetWaiting(this.userId, item.clientId);
    this.onChange(item);
  }

  // Our own message comes to the room before the ack does; until that has come, it stands for the one in this list.
  claim(message) {
    const isTaken = this.items.some((item) => item.shownAs === message.id);
    const item = this.items.find((one) => one.roomId === message.roomId && one.content === message.content && one.tries > 0 &&
      one.shownAs === null && message.id > one.after);
    if (!isTaken && item !== undefined) {
      item.shownAs = message.id;
      this.onChange(item);
    }
  }

  secondsLeft(item) { return Math.max(0, Math.ceil((item.notBefore - Date.now()) / 1000)); }

  changed(item) {
    keepWaiting(this.userId, item);
    this.onChange(item);
  }

  wake(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.pump(), ms);
  }

  stop() {
    clearTimeout(this.timer);
    this.isStopped = true;
  }

  async pump() {
    if (this.isPumping) {
      return;
    }
    this.isPumping = true;
    for (let item; !this.isStopped && this.isConnected() && (item = this.items.find((one) => one.status !== 'failed'));) {
      if (item.notBefore > Date.now()) {
        this.wake(item.notBefore - Date.now() + 50);
        break;
      }
      await this.try(item);
    }
    this.isPumping = false;
  }

  async try(item) {
    Object.assign(item, { status: 'sending', why: null, tries: item.tries + 1 });
    this.changed(item);
    let answer;
    try {
      answer = await this.send({ roomId: item.roomId, content: item.content, clientId: item.clientId }, ANSWER_MS);
    } catch {
      answer = { ok: false, code: 'no_answer', retryAfter: 1 };
    }
    if (answer.ok) {
      this.items = this.items.filter((one) => one !== item);
      forgetWaiting(this.userId, item.clientId);
      this.onSent(answer.message, item);
      return;
    }
    if (PASSING.has(answer.code)) {
      Object.assign(item, { status: 'waiting', why: answer.code, notBefore: Date.now() + 1000 * (answer.retryAfter ?? AGAIN_S) });
    } else {
      Object.assign(item, { status: 'failed', why: answer.error, code: answer.code });
    }
    this.changed(item);
  }
}
