// A small client: registers, makes a room, says something, tells what it hears, and goes once the message has been heard.
//   BASE=http://localhost:5000 NAME=ann ROOM=harbour
import { io, type Socket } from 'socket.io-client';
import type { Auth, ClientToServerEvents, Failure, NewRoom, RegisterBody, ServerToClientEvents, Session } from '../tombolo.d.ts';

const { BASE = 'http://localhost:5000', NAME = 'ann', ROOM = 'harbour' } = process.env;

async function post<Answer>(path: string, body: object, token?: string): Promise<Answer> {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(BASE + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) {
    const { code, message } = await answer.json() as Failure;
    throw new Error(`${code}: ${message}`);
  }
  return await answer.json() as Answer;
}

const account: RegisterBody = { email: `${NAME}@example.org`, username: NAME, password: 'correct horse' };
const { token } = await post<Session>('/auth/register', account);
const room = await post<NewRoom>('/rooms', { name: ROOM }, token);

const auth: Auth = { token };
const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(BASE, { auth });
const heard = new Promise<void>((done) => {
  socket.on('receive_message', (message) => {
    console.log(`${message.sender.username}: ${message.content}`);
    done();
  });
});
socket.on('delivered', ({ messageId, userIds }) => console.log(`message ${messageId} is with ${userIds.join()}`));

const answer = await socket.emitWithAck('send_message', { roomId: room.id, content: 'The tide is out' });
if (answer.ok) {
  console.log(`message ${answer.message.id} is on the disk`);
} else {
  console.log(`refused: ${answer.error}`, answer.retryAfter ?? '');
}
await heard;
socket.close();
