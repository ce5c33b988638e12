"use strict";
const by = id => document.getElementById(id);

function marked(text, faults) {
  // Texts are code points on the server, and UTF-16 here.
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

function item(fault, rules) {
  const line = document.createElement("li");
  const hint = fault.suggestions.length ? ` Suggestion: ${fault.suggestions.join(", ")}.` : "";
  const doubt = fault.question ? ` Question: ${fault.question}, so nothing is proposed.` : "";
  line.textContent = `${fault.reason}; ${rules[fault.rule]}.${hint}${doubt}`;
  return line;
}

function show(answer) {
  const count = answer.faults.length;
  by("summary").className = "";
  by("summary").textContent = count === 1 ? "1 fault" : `${count} faults`;
  by("marked").replaceChildren(...marked(answer.text, answer.faults));
  by("faults").replaceChildren(...answer.faults.map(fault => item(fault, answer.rules)));
  by("fix").hidden = !answer.fixed;
  by("fixed").textContent = answer.fixed || "";
  by("fixtitle").textContent = `The text with ${answer.level} throughout`;
  const words = [...new Set(answer.undecided.map(each => each.word))].join(", ");
  by("undecided").textContent = words
    ? `Undecided, read yourself: ${answer.undecided.length} of ${answer.verbs} verbs (${words})` : "";
}

function fail(message) {
  by("summary").className = "error";
  by("summary").textContent = message;
  for (const id of ["marked", "faults", "undecided"]) by(id).replaceChildren();
  by("fix").hidden = true;
}

async function check() {
  const record = { text: by("text").value, register: by("register").value };
  try {
    const reply = await fetch("check", { method: "POST", body: JSON.stringify(record),
      headers: { "Content-Type": "application/json" } });
    const answer = await reply.json();
    if (reply.ok) show(answer); else fail(answer.error);
  } catch (error) {
    fail("The server does not answer. Start it again: scionwood bangla serve");
  }
  by("result").hidden = false;
}

by("form").addEventListener("submit", event => { event.preventDefault(); check(); });
by("use").addEventListener("click", () => { by("text").value = by("fixed").textContent; check(); });
