// What an idle socket costs the server in memory, in clear text and with TLS 1.2 and 1.3:
//     node tests/bench/tls-memory.mjs [SOCKETS]          (TOMBOLO_BIN: another program than build/release/tombolo)
// Each kind has a server of its own; resident memory with the sockets, joined and quiet, less that with a tenth of them, by the
// rest: so what comes once is not counted. ulimit -n must allow them.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { person } from '../api/lib/client.mjs';
import { start } from '../api/lib/server.mjs';
import { Authority, secureUrl } from '../api/lib/tls.mjs';

const SOCKETS = Number(process.argv[2] ?? 5000), AT_ONCE = 100, QUIET_MS = 1500;
const ca = new Authority(), { cert, key } = ca.issue();

const resident = (server) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) * 1024;

async function open(url, token, options) {
  const ws = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`, { ca: ca.pem, perMessageDeflate: false, ...options });
  const joined = new Promise((done, broken) => {
    ws.on('error', broken);
    ws.on('message', (data) => {
      const text = data.toString();
      if (text === '2') {
        ws.send('3');
      } else if (text.startsWith('0')) {
        ws.send(`40${JSON.stringify({ token })}`);
      } else if (text.startsWith('40')) {
        done();
      }
    });
  });
  await Promise.race([joined, once(ws, 'close')]);
  return ws;
}

for (const [what, scheme, options] of [['clear text', 'ws', {}], ['TLS 1.2', 'wss', { maxVersion: 'TLSv1.2' }],
  ['TLS 1.3', 'wss', { minVersion: 'TLSv1.3' }]]) {
  const server = await start({ config: { tls: { cert, key, port: 0 }, live: { sockets_per_user: 10 * SOCKETS, user_connects: 0, ping_interval_ms: 600000 },
    presence: { audience: 'shared-rooms' }, server: { max_connections: 2 * SOCKETS } } });
  const { token } = await person(server);
  const url = scheme === 'ws' ? server.url.replace('http', 'ws') : secureUrl(server, 'wss'), sockets = [];
  const fill = async (n) => {
    while (sockets.length < n) {
      sockets.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, n - sockets.length) }, () => open(url, token, options))));
    }
    await pause(QUIET_MS);                          // freed memory is given back, timers have run
    return resident(server);
  };
  const few = await fill(SOCKETS / 10), many = await fill(SOCKETS);
  console.log(`${what}: ${((many - few) / (SOCKETS * 0.9) / 1024).toFixed(2)} KB a socket, of ${SOCKETS}`);
  sockets.forEach((ws) => ws.terminate());
  await server.stop();
}
process.exit(0);
