// node chat-node.mjs --port N: the chat that bench-chat asks for, on npm's socket.io, in memory: accounts are taken on trust,
// messages are kept in an array, nothing is written and there are no receipts.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer((_, answer) => answer.end('chat'));
const io = new Server(http, { serveClient: false });
const rooms = new Map();            // id -> messages
let lastId = 0;

io.use((socket, next) => {
  const id = Number(/^u(\d+)$/.exec(socket.handshake.auth.token)?.[1]);
  socket.data.user = { id, username: 'bench', email: `u${id}@bench.test` };
  next(Number.isInteger(id) ? undefined : new Error('Unauthorized: invalid token'));
});

io.on('connection', (socket) => {
  const { user } = socket.data;
  socket.on('join_room', ({ roomId }, ack) => {
    socket.join(`r${roomId}`);
    ack({ ok: true, membership: { id: user.id, userId: user.id, roomId } });
  });
  socket.on('send_message', ({ roomId, content }, ack) => {
    const text = typeof content === 'string' ? content.trim() : '';
    if (text === '' || !socket.rooms.has(`r${roomId}`)) {
      ack({ ok: false, error: 'You are not a member of this room' });
      return;
    }
    const message = { id: ++lastId, content: text, createdAt: new Date().toISOString(), roomId, sender: user };
    if (!rooms.has(roomId)) {
      rooms.set(roomId, []);
    }
    rooms.get(roomId).push(message);
    io.to(`r${roomId}`).emit('receive_message', message);
    ack({ ok: true, message: { ...message, senderId: user.id } });
  });
});
process.on('SIGTERM', () => process.exit(0));
http.listen(Number(process.argv.at(-1)), '127.0.0.1');
