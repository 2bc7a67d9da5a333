"use strict";
// The secret stands in the link's fragment, which no server sees: it goes into the form, and out of the address bar.
function take() {
  const secret = location.hash.slice(1);
  if (!secret) return;
  document.getElementById("secret").value = secret;
  document.getElementById("paste").hidden = true;
  document.querySelector(".sign-in-how").hidden = true;
  document.getElementById("by-link").hidden = false;
  history.replaceState(null, "", location.pathname);
  document.querySelector("#sign-in button").focus();
}

take();
// Opened where the page stands already, a link changes the fragment alone.
addEventListener("hashchange", take);
