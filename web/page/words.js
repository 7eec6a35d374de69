// What things are called: times, people, and how far a message has come. Pure, so that tests can hold it to its word.

// What a name could turn round: letters that run to the left, and the characters that say which way text runs.
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const TURNERS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// A text of others within a sentence of ours: which way it runs is its own affair. For plain text, where no element can see to it.
export const isolate = (text) => (TURNS.test(text) ? `\u2068${text.replace(TURNERS, '')}\u2069` : text);

// What stands in somebody's circle.
export const initial = (name) => [...name.replace(TURNERS, '').trim()][0]?.toUpperCase() ?? '?';

const pad = (n) => String(n).padStart(2, '0');
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November',
  'December'];
const DAY_MS = 24 * 60 * 60 * 1000;

export function clock(time) {
  const d = new Date(time);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}`;
}

const midnight = (time) => new Date(new Date(time).setHours(0, 0, 0, 0)).getTime();

export function day(time, now = Date.now()) {
  const days = Math.round((midnight(now) - midnight(time)) / DAY_MS);
  if (days === 0) {
    return 'Today';
  }
  if (days === 1) {
    return 'Yesterday';
  }
  const d = new Date(time);
  const year = d.getFullYear() === new Date(now).getFullYear() ? '' : ` ${d.getFullYear()}`;
  return `${WEEKDAYS[d.getDay()]} ${d.getDate()} ${MONTHS[d.getMonth()]}${year}`;
}

// In a list there is room for one word: the hour, or the day.
export function when(time, now = Date.now()) {
  const name = day(time, now), d = new Date(time);
  return name === 'Today' ? clock(time) : name === 'Yesterday' ? name : `${d.getDate()} ${MONTHS[d.getMonth()].slice(0, 3)}`;
}

export function moment(time, now = Date.now()) {
  const name = day(time, now);
  return name === 'Today' ? `at ${clock(time)}` : `${name === 'Yesterday' ? 'yesterday' : `on ${name}`} at ${clock(time)}`;
}

// Without a line nobody knows who is here.
export function presence(person, isConnected, now = Date.now()) {
  if (!isConnected) {
    return 'Not known without a connection';
  }
  if (person.status === 'online') {
    return 'Here now';
  }
  return person.lastSeen === null ? 'Not seen here yet' : `Last seen ${moment(person.lastSeen, now)}`;
}

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

// Under a room's name: the others in it.
export function whoIsHere(others, isConnected, now = Date.now()) {
  if (others.length === 0) {
    return 'Only you so far';
  }
  if (!isConnected) {
    return count(others.length, 'other');
  }
  if (others.length === 1) {
    return `${isolate(others[0].username)}: ${presence(others[0], isConnected, now).replace(/^./, (c) => c.toLowerCase())}`;
  }
  const here = others.filter((one) => one.status === 'online').length;
  return `${count(others.length, 'other')}, ${here === 0 ? 'nobody' : here === others.length ? 'all' : here} here now`;
}

export function typists(names) {
  if (names.length === 0) {
    return '';
  }
  if (names.length === 1) {
    return `${isolate(names[0])} is typing`;
  }
  return names.length === 2 ? `${isolate(names[0])} and ${isolate(names[1])} are typing` : 'Several people are typing';
}

const ofAll = (n, all) => (all === 1 ? '' : n === all ? ` to all ${all}` : ` to ${n} of ${all}`);
const byAll = (n, all) => (all === 1 ? '' : n === all ? ` by all ${all}` : ` by ${n} of ${all}`);

// How far one's own message has come; each part only when it is so, and nothing where it is not known (yet).
//   syncedAt: when it was at the centre, or null. people: { all, delivered, read } of the others in the room, or null.
export function state({ syncedAt, people }) {
  const parts = [syncedAt === null || syncedAt === undefined ? 'On site' : 'At the centre'];
  if (people !== null && people.all > 0) {
    if (people.read < people.all && people.delivered > people.read) {
      parts.push(`Delivered${ofAll(people.delivered, people.all)}`);
    }
    if (people.read > 0) {
      parts.push(`Read${byAll(people.read, people.all)}`);
    }
  }
  return parts.join(' · ');
}

const BECAUSE = { no_answer: 'No answer', busy: 'The server is busy', storage_full: 'The server’s disk is full',
  internal: 'Something went wrong there' };

// One that has not left yet. left: seconds until it is sent again, or 0.
export function waiting({ status, why, left, isConnected }) {
  if (status === 'failed') {
    return `Not sent: ${why}`;
  }
  if (!isConnected) {
    return 'Waits for the connection';
  }
  if (left > 0) {
    return why === 'rate_limited' ? `A little fast: goes out in ${left} s` : `${BECAUSE[why]}: tried again in ${left} s`;
  }
  return status === 'sending' ? 'Sending' : 'Waits for those before it';
}

const waits = (n, what) => `${count(n, what)} ${n === 1 ? 'waits' : 'wait'}`;

// What the banner says of both links; null: nothing to say. sync: the answer of GET /sync, or null.
export function links({ isConnected, sync, waitingHere }) {
  if (!isConnected) {
    const what = waitingHere === 0 ? 'What you write waits' : waits(waitingHere, 'message');
    return { kind: 'line', text: `No connection to the server. ${what} here until it is back.` };
  }
  if (sync?.state === 'down') {
    const behind = sync.lagOps > 0 ? ` ${waits(sync.lagOps, 'change')} to be passed on.` : '';
    return { kind: 'centre', text: `No link to the centre. Everything on site works as always.${behind}` };
  }
  if (sync?.state === 'diverged') {
    return { kind: 'centre', text: 'This site and the centre disagree. Everything on site works; the server needs its keeper.' };
  }
  return null;
}
