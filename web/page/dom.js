// Elements without markup: what people wrote only ever becomes text.

// make('button.quiet', { type: 'button', onclick }, 'Leave'): a name with classes, then properties, then children.
// Names with a dash and `role` are attributes; everything else is a property of the element.
export function make(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split('.');
  const element = document.createElement(tag);
  element.classList.add(...classes);
  set(element, properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'for') {
      element.setAttribute(name, value);
    } else if (name === 'data') {
      Object.assign(element.dataset, value);
    } else {
      element[name] = value;
    }
  }
}

// Writes only what is different, so that a screen reader is not told again and a selection stays.
export function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

export const at = (id) => document.getElementById(id);
export const empty = (...ids) => ids.forEach((id) => at(id).replaceChildren());

// Makes parent's children these, in this order, moving as few as possible: what stays keeps focus and place.
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) {
    if (!wanted.has(child)) {
      child.remove();
    }
  }
  let next = parent.firstElementChild;
  for (const child of children) {
    if (child === next) {
      next = next.nextElementSibling;
    } else {
      parent.insertBefore(child, next);
    }
  }
}
