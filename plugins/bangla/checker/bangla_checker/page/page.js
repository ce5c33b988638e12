"use strict";
const by = id => document.getElementById(id);

async function unpacked(id) {
  const packed = Uint8Array.from(atob(by(id).textContent), letter => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Pyodide fetches its parts by name; the page carries them, since a file may fetch no file.
globalThis.fetch = async place => {
  const name = String(place.url ?? place).split("/").pop();
  const type = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
  if (!by(name)) throw new TypeError(`the page has no ${name}`);
  return new Response(await unpacked(name), { headers: { "Content-Type": type } });
};

let answer;
async function start() {
  const python = await loadPyodide({ indexURL: "./" });
  python.unpackArchive(await unpacked("checker"), "zip");
  answer = python.pyimport("bangla_checker.page.answer").answer;
  answer("আপনি", "", "bn");
  by("state").textContent = "";
  by("check").disabled = false;
}

function marked(text, faults) {
  // Positions are code points in Python, and UTF-16 here.
  const letters = Array.from(text), parts = [];
  let at = 0;
  faults.forEach((fault, number) => {
    if (fault.start < at || fault.end === fault.start) return;
    parts.push(document.createTextNode(letters.slice(at, fault.start).join("")));
    const mark = document.createElement("mark");
    mark.textContent = letters.slice(fault.start, fault.end).join("");
    const note = document.createElement("sup");
    note.textContent = String(number + 1);
    mark.append(note);
    parts.push(mark);
    at = fault.end;
  });
  parts.push(document.createTextNode(letters.slice(at).join("")));
  return parts;
}

function item(fault) {
  const line = document.createElement("li");
  const hint = fault.suggestions.length ? ` → ${fault.suggestions.join(", ")}` : "";
  line.textContent = `${fault.explained}${hint} ${fault.asked}`;
  return line;
}

function check() {
  const found = JSON.parse(answer(by("text").value, by("register").value, by("language").value));
  const failed = "error" in found;
  by("summary").className = failed ? "error" : "";
  by("summary").textContent = failed ? found.error : found.summary;
  by("marked").replaceChildren(...(failed ? [] : marked(found.text, found.faults)));
  by("faults").replaceChildren(...(failed ? [] : found.faults.map(item)));
  by("fix").hidden = failed || !found.fixed;
  by("fixed").textContent = found.fixed || "";
  by("fixtitle").textContent = found.level ? `→ ${found.level}` : "";
  by("result").hidden = false;
}

by("form").addEventListener("submit", event => { event.preventDefault(); check(); });
by("use").addEventListener("click", () => { by("text").value = by("fixed").textContent; check(); });
start().catch(error => { by("state").textContent = String(error); });
