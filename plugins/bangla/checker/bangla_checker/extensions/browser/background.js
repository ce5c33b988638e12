"use strict";
// A service worker cannot keep Python; a hidden page of the extension does.
let opened;

function open() {
  opened ??= chrome.offscreen.hasDocument().then(there => there || chrome.offscreen.createDocument({
    url: "python.html", reasons: ["WORKERS"], justification: "Runs the checker, which is written in Python",
  }));
  return opened;
}

chrome.runtime.onMessage.addListener((message, sender, reply) => {
  if (!sender.tab) return false;
  open().then(() => chrome.runtime.sendMessage({ ...message, forPython: true }))
    .then(reply, error => reply({ error: String(error) }));
  return true;
});
