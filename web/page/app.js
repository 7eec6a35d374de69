// The page: who is logged in decides which of the two views there is, and the address (#room/12) which room.
import { Api } from './api.js';
import { Chat } from './chat.js';
import { at, say } from './dom.js';
import { forgetLogin, keepLogin, onLogoutElsewhere, whoIsHere } from './keep.js';
import { Dialogs } from './view-dialogs.js';
import { LoginView } from './view-login.js';
import { MessagesView } from './view-messages.js';
import { RoomsView } from './view-rooms.js';
import { isolate, links } from './words.js';

const BANNER_AFTER_MS = 800;        // a line that is back at once is not worth a word

const api = new Api({ onUnauthorized: () => sessionEnded() });
const sessionEnded = () => leave('Your session has ended. Log in again; what waits here is kept.');
const login = new LoginView(api, { onLogin: (who, onDevice) => { keepLogin(who, onDevice); enter(who, true); } });
const rooms = new RoomsView({ onOpen: go });
const messages = new MessagesView({ onDetails: (message) => dialogs.details(message) });
const dialogs = new Dialogs({ onEntered: go, onLogout: () => leave(''), onLeft: () => go(null) });
let chat = null;
let downSince = null;
let drawn = null;                   // the room that was shown last

// ---- in and out ----

function enter(who, isByHand) {
  api.token = who.token;
  chat = new Chat(api, who);
  rooms.chat = messages.chat = dialogs.chat = chat;
  downSince = Date.now();
  drawn = undefined;
  chat.addEventListener('change', draw);
  chat.addEventListener('message', ({ detail }) => announce(detail));
  chat.addEventListener('unauthorized', sessionEnded);
  at('login').hidden = true;
  at('app').hidden = false;
  rooms.enter();
  chat.start();
  route(isByHand);
}

function leave(note) {
  if (chat === null) {
    return;
  }
  chat.stop();
  chat = null;
  api.token = null;
  forgetLogin();
  dialogs.clear();
  rooms.clear();
  messages.clear();
  at('app').hidden = true;
  at('banner').hidden = true;
  document.title = 'Tombolo';
  at('announcer').replaceChildren();
  if (note === '') {
    history.replaceState(null, '', location.pathname);
  }
  login.show(note);
}

// ---- where we are ----

function roomInAddress() {
  const found = /^#room\/(\d{1,16})$/.exec(location.hash);
  return found === null ? null : Number(found[1]);
}

function go(roomId) {
  const hash = roomId === null ? '' : `#room/${roomId}`;
  if (hash !== location.hash) {
    history.pushState(null, '', hash === '' ? location.pathname : hash);
  }
  route(true);
}

// isByHand: the reader asked for it, so the focus goes along.
async function route(isByHand) {
  const from = chat?.open ?? null;
  const roomId = roomInAddress();
  if (chat === null) {
    return;
  }
  if (roomId !== null && !chat.hasRooms) {
    return;                         // again when the rooms are known
  }
  const shown = chat.show(roomId);
  drawNow();                        // what is hidden cannot get the focus
  if (isByHand) {
    chat.open === null ? rooms.focus(from) : messages.focus();
  }
  await shown;
}

at('room-back').onclick = () => go(null);
addEventListener('popstate', () => route(true));
addEventListener('hashchange', () => route(true));

// ---- what it looks like now ----

let isDue = false;

function draw() {
  if (!isDue) {
    isDue = true;
    requestAnimationFrame(() => { isDue = false; drawNow(); });
  }
}

function drawNow() {
  if (chat === null) {
    return;
  }
  const wanted = roomInAddress();
  if (chat.hasRooms && wanted !== (chat.open?.id ?? null)) {
    if (wanted !== null && !chat.rooms.has(wanted)) {
      go(null);                     // it was left, here or elsewhere, or never entered
      return;
    }
    route(false);
  }
  at('app').classList.toggle('in-room', chat.open !== null);
  rooms.draw();
  messages.draw(drawn !== chat.open);
  drawn = chat.open;
  dialogs.draw();
  drawBanner();
  drawTitle();
}

function drawBanner() {
  downSince = chat.isConnected ? null : downSince ?? Date.now();
  const isSettled = downSince === null || Date.now() - downSince >= BANNER_AFTER_MS;
  if (!isSettled) {
    setTimeout(draw, BANNER_AFTER_MS - (Date.now() - downSince));
  }
  const news = isSettled ? links({ isConnected: chat.isConnected, sync: chat.sync, waitingHere: chat.outbox.waiting })
    : links({ isConnected: true, sync: chat.sync });
  const banner = at('banner');
  banner.hidden = news === null;
  banner.dataset.kind = news?.kind ?? '';
  say(at('banner-text'), news?.text ?? '');
}

function drawTitle() {
  const unread = [...chat.rooms.values()].reduce((sum, room) => sum + (messages.isAttended(room) ? 0 : room.unread), 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${chat.open === null ? 'Tombolo' : `${isolate(chat.open.name)} · Tombolo`}`;
}

// What is said in the open room is read out; elsewhere it is enough to know that something was.
function announce({ room, message }) {
  if (room === chat.open) {
    messages.came();
  }
  const text = room === chat.open ? `${isolate(message.sender.username)}: ${isolate(message.content)}`
    : `New message in ${isolate(room.name)}`;
  const line = document.createElement('p');
  line.textContent = text;
  at('announcer').append(line);
  while (at('announcer').childElementCount > 20) {
    at('announcer').firstElementChild.remove();
  }
}

setInterval(() => { if (chat !== null && !document.hidden) { draw(); } }, 1000);      // seconds that count down, "last seen"
onLogoutElsewhere(() => leave(''));
for (const name of ['online', 'offline']) {
  addEventListener(name, () => chat?.hurry());
}
document.addEventListener('visibilitychange', () => {
  draw();
  if (!document.hidden) {
    chat?.hurry();
  }
});
addEventListener('focus', draw);

const who = whoIsHere();
if (who === null) {
  login.show('');
} else {
  enter(who, false);
}
