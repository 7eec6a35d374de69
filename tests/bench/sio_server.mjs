// node sio_server.mjs --port N: what bench-sio asks of a server, on npm's socket.io. sio_server.c is the same on our library.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer((_, answer) => answer.end('hello'));
const io = new Server(http, { serveClient: false });

io.on('connection', (socket) => {
  socket.on('echo', (text, answer) => answer(text));
  socket.on('say', (text) => io.emit('said', text));
});
process.on('SIGTERM', () => process.exit(0));
http.listen(Number(process.argv.at(-1)), '127.0.0.1');
