// The REST bodies and Socket.IO events of tombolo, for TypeScript. docs/protocol.md says what they mean, docs/api/*.json what the
// values may be; the names are those of the schemas there, and a test keeps the three alike.
//
//     import { io, type Socket } from 'socket.io-client';
//     import type { Auth, ClientToServerEvents, ServerToClientEvents } from './tombolo.d.ts';
//
//     const auth: Auth = { token };
//     const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url, { auth });

// ---- values ----

/** 1 .. 2^53 - 1. */
export type Id = number;
/** What a request may give as an id. */
export type IdOrText = Id | string;
/** ISO 8601, UTC, with milliseconds: '2026-11-22T09:00:00.000Z'. */
export type Time = string;
/** A position in the server's journal. Opaque. */
export type Offset = string;
/** A JWT. Opaque. */
export type Token = string;

// ---- what both doors share ----

/** Who wrote a message, under the name that he has now. */
export interface Sender { id: Id; username: string; email: string }
export interface Message { id: Id; content: string; createdAt: Time; senderId: Id; roomId: Id; sender: Sender }
/** A membership. */
export interface Member { id: Id; userId: Id; roomId: Id }

// ---- REST: answers ----

export interface User { id: Id; email: string; username: string; createdAt: Time; /** null: never. */ lastSeen: Time | null }
export interface Session { user: User; token: Token }
/** token: only when the password was set, which ends all older ones. */
export interface Account { user: User; token?: Token }
export interface NewRoom { id: Id; name: string; isPrivate: boolean; createdAt: Time; members: Member[] }
export interface Room { id: Id; name: string; isPrivate: boolean; createdAt: Time; unread: number; lastMessage: Message | null }
export type Rooms = Room[];
export interface Joined { message: 'Joined room successfully'; member: Member }
export interface Membership { member: Member }
/** syncedAt: since when it is at the centre; null: on this site only. */
export interface HistoryItem {
  id: Id; content: string; createdAt: Time; senderId: Id; roomId: Id; sender: Sender; syncedAt: Time | null;
}
/** nextCursor: of the next, older page. partial: older ones are at the centre, which cannot be reached now. */
export interface HistoryPage { items: HistoryItem[]; nextCursor: Id | null; offset: Offset; partial?: true }
export interface Count { count: number }
export interface Receipt { userId: Id; deliveredAt: Time; readAt: Time | null }
export interface Receipts { items: Receipt[]; partial?: true }
/** Somebody in a room. status: at this site. lastSeen: null: never. */
export interface Person { userId: Id; username: string; status: 'online' | 'offline'; lastSeen: Time | null }
export interface People { items: Person[]; nextCursor: Id | null }
export interface SyncStatus { state: 'off' | 'up' | 'down' | 'diverged'; lagOps: number; lagSeconds: number; lastSyncedAt: Time | null; refused?: number }
export interface Health { status: 'ok' }
export interface Ready { status: 'ready'; sync: 'off' | 'up' | 'down' | 'diverged' }
/** Every failure has this form. retryAfter: seconds. */
export interface Failure {
  message: string;
  code: 'bad_request' | 'unauthorized' | 'forbidden' | 'not_found' | 'method_not_allowed' | 'email_taken' | 'email_conflict' |
    'timeout' | 'key_reused' | 'too_large' | 'unsupported_media_type' | 'rate_limited' | 'storage_full' | 'busy' | 'internal';
  retryAfter?: number;
}

// ---- REST: requests ----

export interface RegisterBody { email: string; username: string; password: string; registrationToken?: string }
export interface LoginBody { email: string; password: string }
export interface ChangeMeBody { email?: string | null; username?: string | null; password?: string | null; currentPassword: string }
export interface CreateRoomBody { name: string; isPrivate?: boolean | 1 | 0 | 'true' | 'false' | null }
export interface JoinRoomBody { roomId: IdOrText }
export interface AddMemberBody { userId: IdOrText }
export interface SendMessageBody { roomId: IdOrText; content: string; clientId?: string | number | null }
export interface ReadMessagesBody { messageIds: IdOrText[] }

// ---- Socket.IO: connecting ----

/** `io(url, { auth })`. Stock clients add pid and offset by themselves when they reconnect. */
export interface Auth { token?: string; recovery?: 'event' | 'argument' | 'off'; pid?: string; offset?: string }
/** The CONNECT answer: socket.id, and what recovery needs. */
export interface Connected { sid: string; pid: string }
/** The message of connect_error; those of the transport come besides. */
export interface ConnectError { message: 'Unauthorized: missing token' | 'Unauthorized: invalid token' | 'Invalid namespace' }

// ---- Socket.IO: what clients send ----

export interface JoinRoom { roomId: IdOrText }
/** clientId: a key of yours that makes the send repeatable. */
export interface SendMessage { roomId: IdOrText; content: string; clientId?: string | number | null }
export interface Typing { roomId: IdOrText; isTyping?: boolean | 1 | 0 | 'true' | 'false' | null }
export interface ReadMessage { roomId: IdOrText; messageIds: IdOrText[] }

/** The answer to every event that failed. retryAfter: seconds. */
export interface Refusal {
  ok: false;
  error: string;
  code: 'bad_request' | 'unauthorized' | 'forbidden' | 'not_found' | 'key_reused' | 'too_large' | 'rate_limited' | 'storage_full' |
    'busy' | 'internal';
  retryAfter?: number;
}
export interface JoinRoomDone { ok: true; membership: Member }
export interface SendMessageDone { ok: true; message: Message }
export interface TypingDone { ok: true }
export interface ReadMessageDone { ok: true }
export type JoinRoomAck = JoinRoomDone | Refusal;
export type SendMessageAck = SendMessageDone | Refusal;
export type TypingAck = TypingDone | Refusal;
export type ReadMessageAck = ReadMessageDone | Refusal;

/** The acks are required by the type so that emitWithAck knows their answers; the server does without as well. */
export interface ClientToServerEvents {
  join_room: (room: JoinRoom, ack: (answer: JoinRoomAck) => void) => void;
  send_message: (message: SendMessage, ack: (answer: SendMessageAck) => void) => void;
  typing: (typing: Typing, ack?: (answer: TypingAck) => void) => void;
  read_message: (read: ReadMessage, ack: (answer: ReadMessageAck) => void) => void;
}

// ---- Socket.IO: what clients hear ----

export interface ReceivedMessage { id: Id; content: string; createdAt: Time; roomId: Id; sender: Sender }
export interface MemberJoined { roomId: Id; user: { id: Id; username: string } }
export interface MemberLeft { roomId: Id; userId: Id }
/** userIds: those who have it now and had it not before. */
export interface Delivered { messageId: Id; roomId: Id; userIds: Id[]; deliveredAt: Time }
export interface Read { roomId: Id; messageIds: Id[]; userId: Id; readAt: Time }
export interface Synced { messageIds: Id[]; syncedAt: Time }
export interface SomeoneTyping { roomId: Id; userId: Id; isTyping: boolean }
export interface UserStatus { userId: Id; status: 'online' | 'offline' }

/** The offset is there with auth.recovery 'argument' only. */
export interface ServerToClientEvents {
  receive_message: (message: ReceivedMessage, offset?: Offset) => void;
  member_joined: (joined: MemberJoined, offset?: Offset) => void;
  member_left: (left: MemberLeft, offset?: Offset) => void;
  delivered: (delivered: Delivered, offset?: Offset) => void;
  read: (read: Read, offset?: Offset) => void;
  offset: (offset: Offset) => void;
  synced: (synced: Synced) => void;
  typing: (typing: SomeoneTyping) => void;
  user_status: (status: UserStatus) => void;
}
