// Makes one element like another by changing only what differs: focus, selection and scroll stay.
export function merge(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // Whether the reader has folded something out is theirs to say.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const same = node.id ? named.get(node.id) : at && !at.id && at.nodeName === node.nodeName ? at : null;
    if (!same) {
      old.insertBefore(node, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    if (same.nodeType === Node.ELEMENT_NODE) merge(same, node);
    else if (same.data !== node.data) same.data = node.data;
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}
