// A frame of a terminal as HTML. It knows what tombolo top writes: colours, the end of a line and of the screen.
const COLOURS = { 1: 'font-weight:bold', 2: 'opacity:.65', 7: 'background:#d8dee9;color:#20242c', 31: 'color:#ff6b6b', 32: 'color:#8fd694',
  33: 'color:#f2c66d', 36: 'color:#7fd0e0' };
const STYLE = 'margin:0;padding:12px 16px;display:inline-block;background:#20242c;color:#d8dee9;font:14px/1.35 "DejaVu Sans Mono"';

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

export function drawn(frame, columns) {
  const parts = frame.replaceAll('\r', '').replace(/\x1b\[[0-9]*[JK]/g, '').split(/\x1b\[([\d;]*)m/);
  let html = escaped(parts[0]);
  for (let i = 1; i < parts.length; i += 2) {
    const style = parts[i].split(';').map((code) => COLOURS[Number(code)] ?? '').filter((css) => css !== '').join(';');
    html += `<span style="${style}">${escaped(parts[i + 1])}</span>`;
  }
  return `<body style="margin:0"><pre style='${STYLE};width:${columns}ch'>${html.trimEnd()}</pre>`;
}
