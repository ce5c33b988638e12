// Contact sheets, and decisions by keyboard. The server checks that every frame was sent.
"use strict";

const element = name => document.getElementById(name);
const state = { sheets: 0, at: 0, figures: [], chosen: 0, boxes: {}, version: 0 };

const ask = async (path, body) => {
  const answer = await fetch(path, body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const record = await answer.json();
  if (!answer.ok) throw new Error(record.error);
  return record;
};

const say = text => { element("said").textContent = text; };

const show = record => {
  state.sheets = record.sheets;
  element("progress").textContent = `${record.decided} of ${record.images} images are decided. `
    + `Sheet ${state.at + 1} of ${record.sheets}. You are recorded as ${record.who}; `
    + `what is kept goes to ${record.target}.`
    + (record.decided === record.images ? " All images are decided: you can close this page." : "");
  element("detector").textContent = record.detector;
};

const parsed = text => text.split(";").filter(part => part.trim())
  .map(part => part.trim().split(/\s+/).map(Number));

const written = boxes => boxes.map(box => box.join(" ")).join("; ");

const draw = figure => {
  for (const view of figure.node.querySelectorAll(".view")) {
    view.querySelectorAll(".box").forEach(box => box.remove());
    for (const [x, y, width, height] of parsed(state.boxes[figure.name] ?? "")) {
      const box = document.createElement("div");
      box.className = "box";
      const percent = (part, whole) => `${100 * part / whole}%`;
      box.style.left = percent(x, figure.columns);
      box.style.top = percent(y, figure.rows);
      box.style.width = percent(width, figure.columns);
      box.style.height = percent(height, figure.rows);
      view.append(box);
    }
  }
};

const drawable = (figure, view) => {
  let first = null;
  const place = event => {
    const box = view.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * figure.columns,
      (event.clientY - box.top) / box.height * figure.rows];
  };
  view.addEventListener("pointerdown", event => { first = place(event); event.preventDefault(); });
  view.addEventListener("pointerup", event => {
    if (!first) return;
    const last = place(event);
    const low = [0, 1].map(at => Math.max(0, Math.floor(Math.min(first[at], last[at]))));
    const size = [0, 1].map(at => Math.ceil(Math.max(first[at], last[at])) - low[at]);
    first = null;
    choose(state.figures.indexOf(figure));
    if (size[0] < 3 || size[1] < 3) return;
    const boxes = [...parsed(state.boxes[figure.name] ?? ""), [...low, ...size]];
    regions(figure.name, written(boxes));
  });
};

const regions = (name, text) => {
  state.boxes[name] = text;
  if (state.figures[state.chosen]?.name === name) element("regions").value = text;
  state.figures.filter(figure => figure.name === name && figure.columns).forEach(draw);
};

const caption = figure => {
  const frame = figure.frames > 1 ? `, frame ${figure.frame} of ${figure.frames}` : "";
  figure.node.querySelector("figcaption").textContent =
    `${figure.name}${frame}: ${figure.decision ?? "no decision"}`
    + (figure.hint ? ` (${figure.hint})` : "");
};

const picture = figure => {
  const views = document.createElement("div");
  views.className = "views";
  for (const name of figure.frames ? ["window", "spread"] : []) {
    const view = document.createElement("div");
    view.className = "view";
    const image = new Image();
    image.alt = `frame ${figure.frame} of ${figure.name}, `
      + (name === "window" ? "as its window shows it" : "with its greys spread");
    image.draggable = false;
    image.src = `picture/${figure.number}/${figure.frame}/${name}?v=${state.version}`;
    view.append(image);
    drawable(figure, view);
    views.append(view);
  }
  figure.node.prepend(views);
};

const open = async at => {
  state.at = at;
  state.version += 1;
  const record = await ask(`sheet/${at}`);
  state.figures = record.figures;
  const nodes = state.figures.map(figure => {
    figure.node = document.createElement("figure");
    figure.node.append(document.createElement("figcaption"));
    figure.node.addEventListener("click", () => choose(state.figures.indexOf(figure)));
    caption(figure);
    picture(figure);
    return figure.node;
  });
  element("sheet").replaceChildren(...nodes);
  show(record);
  choose(0);
  scrollTo(0, 0);
  look(state.version);
};

const look = async version => {  // the detector is slow, so its boxes come behind the pictures
  const said = element("detector").textContent;
  const waiting = state.figures.filter(each => each.frames);
  for (const [at, figure] of waiting.entries()) {
    if (state.version !== version) return;
    element("detector").textContent = `${said} (Picture ${at + 1} of ${waiting.length}.)`;
    const record = await ask(`text/${figure.number}/${figure.frame}`);
    [figure.rows, figure.columns] = record.size;
    if (record.boxes.length && !figure.decision) {
      const boxes = [...parsed(state.boxes[figure.name] ?? ""), ...record.boxes];
      const apart = new Set(boxes.map(box => box.join(" ")));
      regions(figure.name, [...apart].join("; "));
    } else draw(figure);
  }
  element("detector").textContent = said;
};

const choose = at => {
  if (!state.figures.length) return;
  state.chosen = Math.max(0, Math.min(at, state.figures.length - 1));
  state.figures.forEach((figure, index) =>
    figure.node.classList.toggle("chosen", index === state.chosen));
  const figure = state.figures[state.chosen];
  element("image").textContent = figure.name;
  element("regions").value = state.boxes[figure.name] ?? "";
  figure.node.scrollIntoView({ block: "nearest" });
};

const ready = figure => [...figure.node.querySelectorAll("img")]
  .every(image => image.complete && image.naturalWidth);

const decide = async (figure, decision) => {
  const mine = state.figures.filter(each => each.name === figure.name);
  if (decision !== "drop" && !mine.every(ready)) {
    say("The pictures are not here yet.");
    return false;
  }
  const regionsText = decision === "blank" ? state.boxes[figure.name] ?? "" : "";
  try {
    const record = await ask("decide", { name: figure.name, decision, regions: regionsText });
    say(`${figure.name}: ${decision}${record.stands ? `; it states NO: ${record.stands}` : ""}`);
    show(record);
    mine.forEach(each => { each.decision = decision; caption(each); });
    if (decision === "blank") {  // show the new copy, so that a person sees what is left
      state.version += 1;
      regions(figure.name, "");
      mine.forEach(each => { each.node.querySelector(".views").remove(); picture(each); });
      say(`${figure.name}: blanked; look at what is left`);
    }
    return true;
  } catch (error) {
    say(error.message);
    return false;
  }
};

const reopen = async figure => {
  show(await ask("decide", { name: figure.name, decision: "open" }));
  await open(state.at);
  say(`${figure.name}: no decision`);
};

const next = async () => {
  const { name } = state.figures[state.chosen];
  const after = state.figures.findIndex((each, at) => at > state.chosen && each.name !== name);
  if (after >= 0) choose(after);
  else if (state.at + 1 < state.sheets) await open(state.at + 1);
};

const keepAll = async () => {
  const names = new Set();
  for (const figure of [...state.figures]) {
    if (figure.decision || names.has(figure.name)) continue;
    names.add(figure.name);
    if (!await decide(figure, "keep")) return;
  }
  if (state.at + 1 < state.sheets) await open(state.at + 1);
};

const undecided = async () => {
  const record = await ask("undecided");
  if (record.sheet === null) say("All images are decided.");
  else { await open(record.sheet); choose(record.figure); }
};

const KEYS = {
  k: async () => { if (await decide(state.figures[state.chosen], "keep")) await next(); },
  o: () => reopen(state.figures[state.chosen]),
  d: async () => { if (await decide(state.figures[state.chosen], "drop")) await next(); },
  b: () => decide(state.figures[state.chosen], "blank"),
  a: keepAll,
  u: undecided,
  z: () => state.figures[state.chosen].node.classList.toggle("whole"),
  e: () => element("regions").focus(),
  p: () => state.at > 0 && open(state.at - 1),
  " ": () => state.at + 1 < state.sheets && open(state.at + 1),
  ArrowRight: () => choose(state.chosen + 1),
  ArrowLeft: () => choose(state.chosen - 1),
};

let busy = false;
document.addEventListener("keydown", async event => {
  if (event.target === element("regions")) {
    if (["Enter", "Escape"].includes(event.key)) element("regions").blur();
    return;
  }
  const action = KEYS[event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (busy || event.repeat) return;  // one press is one decision
  busy = true;
  try { await action(); } catch (error) { say(error.message); } finally { busy = false; }
});

element("regions").addEventListener("input", () => {
  const figure = state.figures[state.chosen];
  if (figure) regions(figure.name, element("regions").value);
});

undecided().then(() => state.figures.length || open(0)).catch(error => say(error.message));
