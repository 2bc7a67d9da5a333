"use strict";
// Tells the server the reader's time zone, in which it writes times of day. It stands on every page, the one for
// signing in too, so that it is known before the first time is shown.
{
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.split("; ").includes(`onduty-zone=${zone}`)) {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `onduty-zone=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;
  }
}
