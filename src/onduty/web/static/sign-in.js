"use strict";
// The secret stands in the link's fragment, which no server sees: it goes into the form, and out of the address bar.
function take() {
  const secret = location.hash.slice(1);
  if (!secret) return;
  document.getElementById("secret").value = secret;
  for (const id of ["paste", "by-password", "link-heading"]) document.getElementById(id).hidden = true;
  document.querySelector(".sign-in-how").hidden = true;
  document.getElementById("opened").hidden = false;
  history.replaceState(null, "", location.pathname + location.search);
  const button = document.querySelector("#by-link button");
  button.textContent = "Sign in";
  button.classList.remove("button--plain");
  button.focus();
}

take();
// Opened where the page stands already, a link changes the fragment alone.
addEventListener("hashchange", take);
