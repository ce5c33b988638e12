"use strict";
async function start() {
  const python = await loadPyodide({ indexURL: "./" });
  const packed = await fetch("checker.zip");
  python.unpackArchive(await packed.arrayBuffer(), "zip");
  return python.pyimport("bangla_checker.page.answer").answer;
}

const answer = start();
chrome.runtime.onMessage.addListener((message, sender, reply) => {
  if (!message.forPython) return false;
  answer.then(check => reply(JSON.parse(check(message.text, message.register, "bn"))))
    .catch(error => reply({ error: String(error) }));
  return true;
});
