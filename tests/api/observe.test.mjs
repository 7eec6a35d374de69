// /metrics says what was done: as many as were asked for, no more and no fewer, and nothing that is counted ever falls.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { after, before, test } from 'node:test';
import { person, raw, request } from './lib/client.mjs';
import { checkGrowth, metrics } from './lib/exposition.mjs';
import { LONG_WINDOW, start } from './lib/server.mjs';
import { Line, denied } from './lib/sockets.mjs';

let server;
before(async () => { server = await start(); });
after(() => server.stop());

// How much each series grew over what do_ does.
async function growth(of, do_) {
  const was = await metrics(of);
  await do_();
  const is = await metrics(of);
  checkGrowth(was, is);
  return (series) => is.of(series) - (was.values.get(series) ?? 0);
}

test('each request is counted by its route and status, and timed', async () => {
  const ann = await person(server);
  const { id } = await ann.room('harbour');
  const grew = await growth(server, async () => {
    for (let i = 0; i < 7; i++) {
      await ann.send(id, `message ${i}`);
    }
    await ann.post('/messages', { roomId: id, content: ' ' });
    await ann.post('/messages', { roomId: 999, content: 'x' });
    await request(server, 'POST', '/messages');
    await ann.history(id), await ann.history(id, '?limit=1');
    await request(server, 'HEAD', '/healthz');
    await ann.get('/rooms');
  });
  const requests = (route, status) => grew(`tombolo_http_requests_total{route="${route}",status="${status}"}`);
  assert.equal(requests('POST /messages', 201), 7);
  assert.equal(requests('POST /messages', 400), 1);
  assert.equal(requests('POST /messages', 403), 1);
  assert.equal(requests('POST /messages', 401), 1);
  assert.equal(requests('GET /messages/rooms/*/messages', 200), 2);
  assert.equal(requests('GET /healthz', 200), 1, 'a HEAD is a GET without its body');
  assert.equal(grew('tombolo_http_request_duration_seconds_count{route="POST /messages"}'), 10);
  assert.equal(grew('tombolo_http_request_duration_seconds_count{route="GET /rooms"}'), 1);
  assert.equal(grew('tombolo_http_request_duration_seconds_count{route="POST /auth/login"}'), 0);
  assert.equal(requests('GET /metrics', 200), 1, 'the answer that is being written is not in itself');
  assert.equal(grew('tombolo_journal_ops_total'), 7);
  assert.ok(grew('tombolo_journal_commits_total') >= 7);
  assert.equal(grew('tombolo_journal_batch_changes_count'), grew('tombolo_journal_commits_total'));
  assert.equal(grew('tombolo_journal_commit_duration_seconds_count'), grew('tombolo_journal_commits_total'));
  assert.ok(grew('tombolo_journal_batch_changes_sum') >= 7);
  assert.ok(grew('tombolo_journal_read_duration_seconds_count{lane="login"}') >= 3);
});

test('what no route of ours is, nobody can make a series of', async () => {
  const before = await metrics(server);
  const grew = await growth(server, async () => {
    for (let i = 0; i < 20; i++) {
      await request(server, 'GET', `/no/such/path/${i}"} 1\\n`.replace(/[ "}]/g, ''));
    }
    await request(server, 'DELETE', '/messages');
    await request(server, 'OPTIONS', '/messages');
    await request(server, 'BREW', '/socket.io/?EIO=4&transport=polling');
    await raw(server, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(17_000)}\r\nConnection: close\r\n\r\n`);
  });
  const other = (status) => grew(`tombolo_http_requests_total{route="other",status="${status}"}`);
  assert.equal(other(404), 20);
  assert.equal(other(405), 1);
  assert.equal(other(204), 1);
  assert.equal(other(431), 1);
  const routes = ({ families }) => new Set(families.get('tombolo_http_request_duration_seconds').samples.map((s) => s.labels.route));
  assert.deepEqual(routes(await metrics(server)), routes(before));
});

test('events of sockets are counted by name and result, with acks, deliveries and receipts', async () => {
  const people = [await person(server), await person(server), await person(server)];
  const { id } = await people[0].room('market');
  for (const who of people.slice(1)) {
    await who.join(id);
  }
  const lines = await Promise.all(people.map((who) => Line.to(who)));
  const grew = await growth(server, async () => {
    const sent = [];
    for (let i = 0; i < 5; i++) {
      sent.push(await lines[0].send(id, `hello ${i}`));
    }
    denied(await lines[0].ask('send_message', { roomId: id, content: '' }), 'bad_request');
    denied(await lines[0].ask('read_message', { roomId: 999, messageIds: [sent[0].id] }), 'forbidden');
    denied(await lines[0].ask('no_such_event', {}), 'bad_request');
    assert.deepEqual(await lines[1].ask('typing', { roomId: id, isTyping: true }), { ok: true });
    for (const { id: messageId } of sent) {
      await lines[0].until(() => lines[0].named('delivered').flatMap((d) => d.messageId === messageId ? d.userIds : []).length === 2,
        'both to have it');
    }
  });
  const events = (event, result) => grew(`tombolo_events_total{event="${event}",result="${result}"}`);
  assert.equal(events('send_message', 'ok'), 5);
  assert.equal(events('send_message', 'bad_request'), 1);
  assert.equal(events('read_message', 'forbidden'), 1);
  assert.equal(events('unknown', 'bad_request'), 1);
  assert.equal(events('typing', 'ok'), 1);
  assert.equal(grew('tombolo_event_duration_seconds_count{event="send_message"}'), 5, 'not the one without content');
  assert.equal(grew('tombolo_event_duration_seconds_count{event="unknown"}'), 0);
  assert.equal(grew('tombolo_acks_total'), 9);
  assert.ok(grew('tombolo_deliveries_total') >= 5 * 3, 'each of the three hears each message');
  assert.equal(grew('tombolo_receipts_stored_total'), 5 * 2);
  assert.equal(grew('tombolo_receipts_gathered_total'), 5 * 2);
  const now = await metrics(server);
  assert.equal(now.of('tombolo_receipts_waiting'), 0);
  assert.equal(now.of('tombolo_receipts_lost_total'), 0);
  assert.equal(now.of('tombolo_sockets{state="live"}'), 3);
  lines.forEach((line) => line.close());
});

test('connections and sessions are counted as long as they are there, by what they speak', async () => {
  const [ann, bob] = [await person(server), await person(server)];
  const sockets = { polling: await Line.to(ann, { transports: ['polling'] }), websocket: await Line.to(bob, { transports: ['websocket'] }) };
  let now = await metrics(server);
  assert.equal(now.of('tombolo_sessions{transport="polling"}'), 1);
  assert.equal(now.of('tombolo_sessions{transport="websocket"}'), 1);
  assert.equal(now.of('tombolo_connections{protocol="websocket"}'), 1);
  assert.ok(now.of('tombolo_connections{protocol="http1"}') >= 1);
  assert.ok(now.of('tombolo_http_requests_total{route="UPGRADE /socket.io/",status="101"}') >= 1);
  const grew = await growth(server, async () => {
    Object.values(sockets).forEach((line) => line.close());
    for (;;) {
      now = await metrics(server);
      if (now.of('tombolo_sessions{transport="polling"}') + now.of('tombolo_connections{protocol="websocket"}') === 0) {
        return;
      }
    }
  });
  assert.equal(now.of('tombolo_sessions{transport="websocket"}'), 0);
  assert.equal(grew('tombolo_sessions_closed_total{reason="transport close"}'), 2);
});

test('requests over HTTP/2 are counted like any other, their connection as what it is', async () => {
  const both = await start({ config: { server: { http2: 'yes' } } });
  const session = http2.connect(both.url);
  const ask = (path) => new Promise((answer, broken) => {
    const stream = session.request({ ':path': path, 'x-request-id': 'over-2' });
    let answered;
    stream.on('response', (headers) => { answered = headers; }).on('error', broken).on('end', () => answer(answered)).resume().end();
  });
  const grew = await growth(both, async () => {
    for (let i = 0; i < 5; i++) {
      assert.equal((await ask('/healthz'))['x-request-id'], 'over-2');
    }
    assert.equal((await ask('/nowhere'))[':status'], 404);
  });
  assert.equal(grew('tombolo_http_requests_total{route="GET /healthz",status="200"}'), 5);
  assert.equal(grew('tombolo_http_requests_total{route="other",status="404"}'), 1);
  assert.equal((await metrics(both)).of('tombolo_connections{protocol="http2"}'), 1);
  session.close();
  await once(session, 'close');
  while ((await metrics(both)).of('tombolo_connections{protocol="http2"}') > 0) {
    // the server hears of it in its own time
  }
  await both.stop();
});

test('whoever hits a limit is counted under its name', async () => {
  const strict = await start({ config: { limit: { messages: 2, content_bytes: 100, read_ids: 3, logins: 2, rooms_per_user: 1, ...LONG_WINDOW } },
    env: { TOMBOLO_RATE_LIMIT: '2', TOMBOLO_LOGIN_LIMIT: '20' } });
  const ann = await person(strict);
  const { id } = await ann.room('one');
  const grew = await growth(strict, async () => {
    for (let i = 0; i < 5; i++) {
      await ann.post('/messages', { roomId: id, content: 'x' });
    }
    await ann.post('/messages', { roomId: id, content: 'x'.repeat(101) });
    await ann.post('/messages/read', { messageIds: [1, 2, 3, 4] });
    await ann.post('/rooms', { name: 'two' });
    for (let i = 0; i < 22; i++) {
      await request(strict, 'POST', '/auth/login', { body: { email: 'nobody@example.org', password: 'not his password' } });
    }
  });
  const hits = (limit) => grew(`tombolo_limit_hits_total{limit="${limit}"}`);
  assert.equal(hits('limit.messages'), 3);
  assert.equal(hits('limit.content_bytes'), 1);
  assert.equal(hits('limit.read_ids'), 1);
  assert.equal(hits('limit.rooms_per_user'), 1);
  assert.equal(hits('limit.logins'), 2);
  assert.equal(grew('tombolo_hash_duration_seconds_count'), 20);
  await strict.stop();
});

test('the process, the disk and the journal are measured', async () => {
  const now = await metrics(server);
  const between = (series, least, most) => {
    const v = now.of(series);
    assert.ok(v >= least && v <= most, `${series} ${v} is not in ${least}..${most}`);
  };
  between('process_resident_memory_bytes', 2 << 20, 2 ** 40);
  between('process_open_fds', 8, 200);
  between('process_max_fds', now.of('process_open_fds'), 2 ** 40);
  between('process_cpu_seconds_total', 0.001, 600);
  between('process_start_time_seconds', Date.now() / 1000 - 600, Date.now() / 1000);
  between('tombolo_disk_free_bytes', 1, 2 ** 60);
  between('tombolo_journal_size_bytes', 4096, 2 ** 30);
  between('tombolo_journal_wal_bytes', 4096, 2 ** 30);
  between('tombolo_queue_depth{queue="writer"}', 0, 10);
  between('tombolo_queue_limit{queue="writer"}', 100, 10 ** 7);
  assert.equal(now.of('tombolo_journal_writable'), 1);
  assert.equal(now.of('tombolo_sync_configured'), 0);
  assert.ok([...now.values.keys()].some((series) => /^tombolo_build_info\{version="\d+\.\d+\.\d+"\}$/.test(series)));
  assert.equal((await metrics(server)).of('process_start_time_seconds'), now.of('process_start_time_seconds'));
});

test('a centre that is not there is counted by reason', async () => {
  const lone = await start({ env: { DATABASE_URL: 'mysql://nobody:nothing@127.0.0.1:1/nowhere' } });
  for (;;) {
    const now = await metrics(lone);
    if (now.of('tombolo_sync_failures_total') > 0) {
      assert.equal(now.of('tombolo_sync_up'), 0);
      assert.ok(now.of('tombolo_mysql_errors_total{reason="unreachable"}') > 0);
      break;
    }
  }
  await lone.stop();
});
