// What the page says of a message, a person and a link, word for word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { day, links, moment, presence, state, typists, waiting, when, whoIsHere } from '../../web/page/words.js';

const NOW = new Date(2026, 10, 26, 12, 0).getTime();
const at = (...parts) => new Date(...parts).toISOString();
const there = '2026-11-26T08:00:00.000Z';

test('a state names only what is so', () => {
  const rows = [
    [{ syncedAt: null, people: null }, 'On site'],
    [{ syncedAt: undefined, people: null }, 'On site'],
    [{ syncedAt: there, people: null }, 'At the centre'],
    [{ syncedAt: null, people: { all: 0, delivered: 0, read: 0 } }, 'On site'],
    [{ syncedAt: null, people: { all: 1, delivered: 0, read: 0 } }, 'On site'],
    [{ syncedAt: null, people: { all: 1, delivered: 1, read: 0 } }, 'On site · Delivered'],
    [{ syncedAt: there, people: { all: 1, delivered: 1, read: 1 } }, 'At the centre · Read'],
    [{ syncedAt: null, people: { all: 3, delivered: 2, read: 0 } }, 'On site · Delivered to 2 of 3'],
    [{ syncedAt: null, people: { all: 3, delivered: 3, read: 0 } }, 'On site · Delivered to all 3'],
    [{ syncedAt: null, people: { all: 3, delivered: 3, read: 1 } }, 'On site · Delivered to all 3 · Read by 1 of 3'],
    [{ syncedAt: null, people: { all: 3, delivered: 2, read: 2 } }, 'On site · Read by 2 of 3'],
    [{ syncedAt: there, people: { all: 3, delivered: 3, read: 3 } }, 'At the centre · Read by all 3'],
  ];
  for (const [given, said] of rows) {
    assert.equal(state(given), said);
  }
});

test('what waits says why', () => {
  const usual = { status: 'waiting', why: null, left: 0, isConnected: true };
  const rows = [
    [{ isConnected: false }, 'Waits for the connection'],
    [{ isConnected: false, status: 'sending' }, 'Waits for the connection'],
    [{ status: 'sending' }, 'Sending'],
    [{}, 'Waits for those before it'],
    [{ why: 'rate_limited', left: 7 }, 'A little fast: goes out in 7 s'],
    [{ why: 'busy', left: 2 }, 'The server is busy: tried again in 2 s'],
    [{ why: 'storage_full', left: 10 }, 'The server’s disk is full: tried again in 10 s'],
    [{ why: 'no_answer', left: 1 }, 'No answer: tried again in 1 s'],
    [{ status: 'failed', why: 'You are not a member of this room', isConnected: false }, 'Not sent: You are not a member of this room'],
  ];
  for (const [given, said] of rows) {
    assert.equal(waiting({ ...usual, ...given }), said);
  }
});

test('people are here, were here, or it is not known', () => {
  const of = (status, lastSeen) => ({ username: 'bob', status, lastSeen });
  assert.equal(presence(of('online', null), true, NOW), 'Here now');
  assert.equal(presence(of('online', null), false, NOW), 'Not known without a connection');
  assert.equal(presence(of('offline', null), true, NOW), 'Not seen here yet');
  assert.equal(presence(of('offline', at(2026, 10, 26, 9, 5)), true, NOW), 'Last seen at 09:05');
  assert.equal(presence(of('offline', at(2026, 10, 25, 9, 5)), true, NOW), 'Last seen yesterday at 09:05');
  assert.equal(presence(of('offline', at(2026, 9, 1, 9, 5)), true, NOW), 'Last seen on Thursday 1 October at 09:05');
  const here = of('online', null), away = of('offline', null);
  assert.equal(whoIsHere([], true, NOW), 'Only you so far');
  assert.equal(whoIsHere([here], true, NOW), 'bob: here now');
  assert.equal(whoIsHere([away], true, NOW), 'bob: not seen here yet');
  assert.equal(whoIsHere([here, here], true, NOW), '2 others, all here now');
  assert.equal(whoIsHere([here, away], true, NOW), '2 others, 1 here now');
  assert.equal(whoIsHere([away, away], true, NOW), '2 others, nobody here now');
  assert.equal(whoIsHere([here, away], false, NOW), '2 others');
});

test('days have names while they are near', () => {
  assert.equal(day(at(2026, 10, 26, 0, 0), NOW), 'Today');
  assert.equal(day(at(2026, 10, 25, 23, 59), NOW), 'Yesterday');
  assert.equal(day(at(2026, 10, 2, 12, 0), NOW), 'Monday 2 November');
  assert.equal(day(at(2025, 11, 31, 12, 0), NOW), 'Wednesday 31 December 2025');
  assert.equal(when(at(2026, 10, 26, 7, 3), NOW), '07:03');
  assert.equal(when(at(2026, 10, 2, 12, 0), NOW), '2 Nov');
  assert.equal(moment(at(2026, 10, 26, 7, 3), NOW), 'at 07:03');
});

test('typing is told for as many as have room', () => {
  assert.deepEqual([[], ['ann'], ['ann', 'bob'], ['ann', 'bob', 'cem']].map(typists),
    ['', 'ann is typing', 'ann and bob are typing', 'Several people are typing']);
});

test('the banner speaks of the nearer link first, and is silent when there is nothing to say', () => {
  const down = { state: 'down', lagOps: 3 };
  assert.equal(links({ isConnected: true, sync: null }), null);
  assert.equal(links({ isConnected: true, sync: { state: 'off' } }), null);
  assert.equal(links({ isConnected: true, sync: { state: 'up', lagOps: 9 } }), null);
  const away = (waitingHere) => links({ isConnected: false, sync: down, waitingHere }).text;
  assert.equal(away(0), 'No connection to the server. What you write waits here until it is back.');
  assert.equal(away(1), 'No connection to the server. 1 message waits here until it is back.');
  assert.equal(away(2), 'No connection to the server. 2 messages wait here until it is back.');
  assert.match(links({ isConnected: true, sync: down }).text, /^No link to the centre.* 3 changes wait to be passed on\.$/);
  assert.match(links({ isConnected: true, sync: { state: 'down', lagOps: 0 } }).text, /as always\.$/);
  assert.match(links({ isConnected: true, sync: { state: 'diverged' } }).text, /disagree/);
});
