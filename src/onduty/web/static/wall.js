"use strict";
// The token stands in the address's fragment, which no server sees: it is posted once, and out of the address bar.
function take() {
  const secret = location.hash.slice(1);
  if (!secret) return;
  history.replaceState(null, "", location.pathname);
  const [form, field] = ["form", "input"].map((name) => document.createElement(name));
  Object.assign(form, { method: "post", action: "/wall", hidden: true });
  Object.assign(field, { type: "hidden", name: "token", value: secret });
  form.append(field);
  document.body.append(form);
  form.submit();
}

take();
// Opened where the page stands already, an address changes the fragment alone.
addEventListener("hashchange", take);
