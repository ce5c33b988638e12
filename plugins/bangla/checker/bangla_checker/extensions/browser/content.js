"use strict";
// A badge beside the text field in which somebody writes Bangla; a click on it lists the faults.
const BANGLA = /[\u0980-\u09ff]{2}/, PAUSE = 600;
let host, field, timer, asked = 0;

const isField = node => node instanceof HTMLTextAreaElement ||
  (node instanceof HTMLInputElement && node.type === "text") || node.isContentEditable === true;
const textOf = node => (node.isContentEditable ? node.innerText : node.value);

function parts() {
  if (!host) {
    host = document.createElement("bangla-checker");
    host.style.cssText = "position:absolute;z-index:2147483647";
    host.attachShadow({ mode: "open" }).innerHTML = `<style>
      button { font: 13px sans-serif; border: 1px solid #777; border-radius: 3px; background: #fff; color: #111; cursor: pointer }
      #badge.faults { background: #b00020; color: #fff }
      #list { background: #fff; color: #111; border: 1px solid #777; padding: 6px; max-width: 420px; font: 14px sans-serif }
      p { margin: 0 0 6px } </style>
      <button id="badge" aria-controls="list"></button><div id="list" role="region" aria-live="polite" hidden></div>`;
    host.shadowRoot.getElementById("badge").onclick = () => {
      const list = host.shadowRoot.getElementById("list");
      list.hidden = !list.hidden;
    };
    document.documentElement.append(host);
  }
  return name => host.shadowRoot.getElementById(name);
}

function write(text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// A field with formatting stays as it is: the list says what to write, and nothing is replaced.
function button(label, text) {
  const made = document.createElement("button");
  made.textContent = label;
  made.disabled = field.isContentEditable;
  made.onclick = () => write(text);
  return made;
}

function line(found, fault) {
  const row = document.createElement("p"), letters = Array.from(found.text);
  row.append(`${fault.word}: ${fault.explained} ${fault.asked} `);
  for (const word of fault.suggestions) {
    row.append(button(word, [...letters.slice(0, fault.start), word, ...letters.slice(fault.end)].join("")));
  }
  return row;
}

function show(found) {
  const at = parts(), box = field.getBoundingClientRect();
  host.style.left = `${box.left + scrollX}px`;
  host.style.top = `${box.bottom + scrollY + 2}px`;
  host.hidden = Boolean(found.error);
  if (found.error) return;
  at("badge").textContent = `বাংলা: ${found.faults.length}`;
  at("badge").className = found.faults.length ? "faults" : "";
  at("list").replaceChildren(...found.faults.map(fault => line(found, fault)));
  if (found.fixed) at("list").append(button(`→ ${found.level}`, found.fixed));
}

async function check() {
  const text = textOf(field), mine = ++asked;
  if (!BANGLA.test(text)) {
    if (host) host.hidden = true;
    return;
  }
  const found = await chrome.runtime.sendMessage({ text, register: "" });
  if (mine === asked) show(found);
}

document.addEventListener("input", event => {
  const target = event.composedPath()[0];
  if (!isField(target)) return;
  field = target.isContentEditable ? target.closest("[contenteditable]") : target;
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
}, true);
