// The addresses in a text, as links that can be pressed. Only http and https; what else looks like one stays text.

// Ends at blanks, quotes, angle brackets, and characters that cannot be seen or turn text round.
const ADDRESS = /(?<![\p{L}\p{N}_])https?:\/\/[^\s<>"`\p{Cc}\p{Cf}]+/giu;
const ENDS = /[.,;:!?'’”»…*_~]$/u;
const BRACKETS = { ')': '(', ']': '[', '}': '{' };

// Without the full stop of its sentence and the bracket around it: "(see https://example.org/a_(b).)"
function trimmed(text) {
  const counts = {};
  for (const mark of text) {
    counts[mark] = (counts[mark] ?? 0) + 1;
  }
  for (let end = text.length; ; end--) {
    const last = text[end - 1];
    const isTooMany = last in BRACKETS && (counts[BRACKETS[last]] ?? 0) < counts[last];
    if (!ENDS.test(last) && !isTooMany) {
      return text.slice(0, end);
    }
    counts[last]--;
  }
}

// null: not a place that one should be led to by a press. A name before an @ passes for a host.
function placeOf(text) {
  try {
    const url = new URL(text);
    return url.username !== '' || url.password !== '' || text.includes('\\') ? null : url;
  } catch {
    return null;
  }
}

function link(text, url, properties) {
  const element = document.createElement('a');
  // Letters of other alphabets can look like these: where it leads, in ASCII, is said beside it.
  return Object.assign(element, { href: url.href, textContent: text, target: '_blank', rel: 'noopener noreferrer nofollow',
    title: text.includes(url.host) ? '' : url.href, ...properties });
}

// text as a list of texts and links, in order; put together they say what text says.
export function linked(text, properties = {}) {
  const parts = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const shown = trimmed(found);
    const url = placeOf(shown);
    if (url !== null) {
      parts.push(text.slice(from, index), link(shown, url, properties));
      from = index + shown.length;
    }
  }
  return [...parts, text.slice(from)];
}
