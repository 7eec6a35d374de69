// What outlives a reload: who is logged in, and the messages that have not left yet.
// It is in this tab only (sessionStorage), so that closing it logs out on a machine that others use, unless one asks to be kept
// logged in (localStorage). Waiting messages lie in the same place as the token, and go with it.

const WHO = 'tombolo.who';
const OUT = 'tombolo.out.';

// A browser may refuse storage altogether: then it is kept as long as the page is.
function areaOf(name) {
  try {
    const real = window[name];
    real.setItem('tombolo.test', '1');
    real.removeItem('tombolo.test');
    return real;
  } catch {
    const values = new Map();
    return { getItem: (k) => values.get(k) ?? null, setItem: (k, v) => values.set(k, v), removeItem: (k) => values.delete(k),
      key: (i) => [...values.keys()][i], get length() { return values.size; } };
  }
}

const tab = areaOf('sessionStorage');
const device = areaOf('localStorage');
let here = tab.getItem(WHO) === null && device.getItem(WHO) !== null ? device : tab;

const parse = (text) => { try { return JSON.parse(text); } catch { return null; } };

// { user, token } or null
export const whoIsHere = () => parse(here.getItem(WHO));

export function keepLogin(who, onDevice) {
  here = onDevice ? device : tab;
  here.setItem(WHO, JSON.stringify(who));
}

export function forgetLogin() {
  here.removeItem(WHO);
}

// Another tab that shares the login has ended it.
export function onLogoutElsewhere(then) {
  addEventListener('storage', ({ key, newValue, storageArea }) => {
    if (key === WHO && newValue === null && storageArea === here) {
      then();
    }
  });
}

// Each message has a key of its own: two tabs of one person then never write over each other's.
export function waitingOf(userId) {
  const prefix = `${OUT}${userId}.`;
  const found = new Map();          // by clientId: one may lie in both places
  for (const area of [tab, device]) {
    for (let i = 0; i < area.length; i++) {
      const item = area.key(i).startsWith(prefix) ? parse(area.getItem(area.key(i))) : null;
      if (item !== null) {
        found.set(item.clientId, item);
      }
    }
  }
  return [...found.values()].sort((a, b) => a.at - b.at);
}

export function keepWaiting(userId, item) {
  const { clientId, roomId, content, at, tries, after } = item;
  try {
    here.setItem(`${OUT}${userId}.${clientId}`, JSON.stringify({ clientId, roomId, content, at, tries, after }));
  } catch {
    // full: it still waits in memory
  }
}

export function forgetWaiting(userId, clientId) {
  for (const area of [tab, device]) {
    area.removeItem(`${OUT}${userId}.${clientId}`);
  }
}
