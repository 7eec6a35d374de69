// The REST calls. A failure is thrown as Refused, with the server's text for people and its code for programs.

export class Refused extends Error {
  constructor({ status, message, code, retryAfter }) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

const NO_ANSWER = 'The server does not answer. Try again when the connection is back.';
const ANSWER_MS = 15_000, SYNC_MS = 4000;      // the latter tells whether the line is there at all

export class Api {
  token = null;
  heardAt = 0;                      // when the server last answered anything

  // onUnauthorized: the token counts no longer.
  constructor({ onUnauthorized }) {
    this.onUnauthorized = onUnauthorized;
  }

  async ask(method, path, body, ms = ANSWER_MS) {
    const headers = { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(this.token === null ? {} : { Authorization: `Bearer ${this.token}` }) };
    let answer, value = null;
    try {
      answer = await fetch(path, { method, headers, body: JSON.stringify(body), cache: 'no-store',
        signal: AbortSignal.timeout(ms) });
      this.heardAt = Date.now();
      value = answer.status === 204 ? null : await answer.json();
    } catch {
      throw new Refused({ status: 0, message: NO_ANSWER, code: 'no_answer' });
    }
    if (answer.ok) {
      return value;
    }
    if (answer.status === 401 && this.token !== null) {
      this.onUnauthorized();
    }
    throw new Refused({ status: answer.status, ...value });
  }

  register(email, username, password) { return this.ask('POST', '/auth/register', { email, username, password }); }
  login(email, password) { return this.ask('POST', '/auth/login', { email, password }); }
  rooms() { return this.ask('GET', '/rooms'); }
  createRoom(name, isPrivate) { return this.ask('POST', '/rooms', { name, isPrivate }); }
  join(roomId) { return this.ask('POST', '/rooms/join', { roomId }); }
  addMember(roomId, userId) { return this.ask('POST', `/rooms/${roomId}/members`, { userId }); }
  leave(roomId) { return this.ask('DELETE', `/rooms/${roomId}/members/me`); }
  receipts(messageId) { return this.ask('GET', `/messages/${messageId}/receipts`); }
  sync() { return this.ask('GET', '/sync', undefined, SYNC_MS); }

  history(roomId, limit, cursor) {
    return this.ask('GET', `/messages/rooms/${roomId}/messages?limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`);
  }

  async members(roomId) {
    const all = [];
    for (let cursor = null; ;) {
      const page = await this.ask('GET', `/rooms/${roomId}/members?limit=1000${cursor === null ? '' : `&cursor=${cursor}`}`);
      all.push(...page.items);
      cursor = page.nextCursor;
      if (cursor === null) {
        return all;
      }
    }
  }
}
