// The live ladder: segments, calls and states, newest below. Rows come from report/page_rows.py.
// It looks like the report's; only what is new or has changed is drawn anew.
"use strict";
import {$, t, el, svg, flagNames, visible, clip, span, calm, D} from "./dom.js";

const LINE = 15, HEAD = 31, MOST = 1500;
let drawn = [], shape = null, view = null, chosen = null, stuck = true, height = 0, onChoose = () => {};

export const isOdd = (b, exact) => exact && (b[1] < 0 || (D.graphs.board[b[0]] || [])[b[1]]?.[0] === "extra");
export const peerSteps = (row, of) => (row.P || []).filter(p => !of.conn || p[0] === of.conn);
const tag = row => view.conn || !row.c ? "" : `c${row.c} `;

function relative(row) {
  const [theirs, ours] = view.isn[`${row.life}.${row.c}`] || [null, null];
  const [from, to] = row.d === "rx" ? [theirs, ours] : [ours, theirs];
  const less = (n, base) => base === null || base === undefined ? n : (n - base) | 0;
  return [less(row.q, from), less(row.a, to)];
}
export function segmentText(row) {
  const [seq, ack] = relative(row);
  return `seq=${seq}` + (row.f.includes(".") ? ` ack=${ack}` : "") + (row.l ? ` len=${row.l}` : "")
    + (row.s ? ` mss=${row.s}` : "") + (row.again ? " " + t("again") : "");
}
export function rowText(row) {
  const steps = [...(row.B || []).map(b => `${b[5]} ${b[2]}`), ...(row.P || []).map(p => p[2])];
  const what = row.k === "seg" ? `${flagNames(row.f)} ${segmentText(row)}` : visible(row.x || "");
  const kind = {seg: row.d === "rx" ? t("to the board") : t("from the board"), call: t("call"), ret: t("return"), state: t("transition"),
    note: t("note"), console: t("console"), gap: t("gap"), boot: t("start"), sample: t("sample")}[row.k];
  return [kind, row.k === "note" ? visible(row.w) : "", what, ...steps].filter(Boolean).join(" ");
}
function measured(width) {
  const narrow = width < 600, gutter = narrow ? 6 : 84;
  const left = gutter + (narrow ? 92 : 106), right = width - (narrow ? 118 : Math.max(196, width * 0.3));
  return {width, narrow, gutter, left, right, middle: (left + right) / 2};
}
// The distance between two rows says how much time there is between them, in steps that do not
// depend on other rows: what is drawn stays where it is.
function distance(us) {
  if (us >= 2e5) return 36;
  return us <= 200 ? 0 : Math.min(20, Math.round(5 * Math.log10(us / 200)));
}
function wrap(text, room) {
  const lines = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line && (line + " " + word).length > room) { lines.push(line); line = ""; }
    line = line ? line + " " + word : word;
  }
  return [...lines, line];
}
const noteText = row => visible(row.w + "  " + row.x);
function places(rows, g) {
  let y = 20;
  return rows.map((row, n) => {
    const before = n && rows[n - 1].life === row.life ? rows[n - 1] : null;
    const pause = before ? row.t - before.t : 0;
    if (before) y += distance(pause);
    const notes = row.k === "note" ? wrap(noteText(row), (g.right - g.gutter - 16) / 5.8).length : 1;
    const lines = Math.max(1, peerSteps(row, view).length, (row.B || []).length + (row.k === "call" ? 1 : 0), notes);
    const place = {y, height: (row.k === "seg" ? 33 : 23) + (lines - 1) * LINE, pause: pause >= 2e5 ? pause : 0};
    y += place.height;
    return place;
  });
}
// As in the report: what the other end had not taken in when it sent the next one crosses that one.
function arrivals(rows, at) {
  return rows.map((row, n) => {
    const y = at[n].y + 22;
    if (row.k !== "seg" || row.d !== "tx") return y;
    const size = row.l + row.f.includes("S") + row.f.includes("F"), until = (row.q + size) % 2 ** 32;
    for (let m = n + 1; size && m < Math.min(rows.length, n + 5); m++) {
      const other = rows[m];
      if (other.k !== "seg" || other.c !== row.c) continue;
      if (other.d === "tx" || !other.f.includes(".") || (other.a - until + 2 ** 32) % 2 ** 32 < 2 ** 31) return y;
      return other.f.includes("F") || other.f.includes("S") || other.l ? at[m].y + 27 : y;
    }
    return y;
  });
}
export function begin(choose) {
  onChoose = choose;
  $("ladder").setAttribute("aria-label", t("Ladder of segments, calls and states; arrow keys choose and explain, Escape goes back to now"));
  const box = $("ladder");
  // Who was at the newest row stays there, also when the room for it changes.
  box.addEventListener("scroll", () => { if (box.clientHeight === height) stuck = box.scrollHeight - box.scrollTop - height < 60; });
  new ResizeObserver(() => {
    height = box.clientHeight;
    if (view && measured(box.clientWidth).width !== shape?.width) draw(view, true);
    else if (stuck && chosen === null) box.scrollTop = box.scrollHeight;
  }).observe(box);
}
export function draw(next, anew) {
  const box = $("ladder"), follow = stuck;
  const g = measured(Math.max(300, box.clientWidth));
  anew ||= !shape || shape.width !== g.width || !view || view.key !== next.key;
  view = next;
  if (anew) {
    shape = g;
    drawn = [];
    box.replaceChildren();
    // They are found by their ids, so they have to be in the page first.
    const head = svg("svg", {class: "head", width: g.width, height: HEAD, viewBox: `0 0 ${g.width} ${HEAD}`, "aria-hidden": "true"});
    head.append(svg("text", {class: "h1", x: g.left, y: 20}, t("the other end")), svg("text", {class: "h2", x: g.right, y: 20}, t("the board")));
    if (!g.narrow) head.append(svg("text", {x: 12, y: 20}, t("board time")));
    const top = svg("svg", {id: "rungs", width: g.width}), marks = svg("g", {});
    marks.append(svg("rect", {class: "cursor", id: "cursor", x: 0, width: g.width}), svg("rect", {class: "cursorbar", id: "cursorbar", x: 0, width: 3}),
      svg("line", {class: "life", id: "life1", x1: g.left, x2: g.left, y1: 4}), svg("line", {class: "life", id: "life2", x1: g.right, x2: g.right, y1: 4}));
    top.append(marks, svg("g", {id: "bands"}), svg("g", {id: "rows"}));
    box.append(head, top, el("p", {class: "none", id: "nothing"}, t("Nothing has happened yet. Let the board listen, and connect to it.")));
  }
  const rows = view.rows.slice(-MOST), first = view.rows.length - rows.length;
  const at = places(rows, g), arrive = arrivals(rows, at), last = at[at.length - 1];
  const end = last ? last.y + last.height + 30 : 60, fresh = [];
  $("nothing").hidden = rows.some(row => row.c);
  $("rungs").setAttribute("height", end);
  $("rungs").setAttribute("viewBox", `0 0 ${g.width} ${end}`);
  for (const id of ["life1", "life2"]) $(id).setAttribute("y2", end - 8);
  bands(rows, at, g, end);
  rows.forEach((row, n) => {
    const old = drawn[n], place = at[n];
    if (old && old.row === row && old.y === place.y && old.arrives === arrive[n] && old.index === first + n) return;
    const node = rung(row, first + n, place, g, arrive[n]);
    if (old) old.node.replaceWith(node);
    else { $("rows").append(node); fresh.push([row, node]); }
    drawn[n] = {row, node, y: place.y, height: place.height, arrives: arrive[n], index: first + n};
  });
  drawn.splice(rows.length).forEach(each => each.node.remove());
  mark();
  if (anew || (follow && chosen === null)) box.scrollTop = box.scrollHeight;
  if (!anew) fresh.slice(-6).forEach(([row, node]) => { node.classList.add("fresh"); if (row.k === "seg") spark(node); });
}
// Colour on a lifeline: the connection is in some state.
function bands(rows, at, g, end) {
  const made = [];
  if (view.conn) {
    const open = {1: null, 2: null};
    const close = (n, y) => {
      if (open[n] !== null && y > open[n]) made.push(svg("rect", {class: "band" + n, x: (n === 1 ? g.left : g.right) - 3, width: 6, y: open[n], height: y - open[n], rx: 3}));
      open[n] = null;
    };
    const step = (n, state, y) => { if (state === "CLOSED") close(n, y); else if (open[n] === null) open[n] = y; };
    rows.forEach((row, n) => {
      if (row.k === "gap" || row.k === "boot") { close(1, at[n].y); close(2, at[n].y); }
      for (const b of row.B || []) step(2, b[5], at[n].y + (row.k === "seg" ? 24 : 12));
      for (const p of peerSteps(row, view)) step(1, p[2], at[n].y + (row.d === "tx" ? 24 : 12));
    });
    close(1, end - 8);
    close(2, end - 8);
  }
  $("bands").replaceChildren(...made);
}
function rung(row, n, place, g, arrives) {
  const group = svg("g", {class: "row k-" + row.k, id: "row" + n, role: "option", "aria-selected": "false", "aria-label": rowText(row)});
  const y = place.y, base = y + 16, add = (...made) => group.append(...made);
  if (place.pause) {
    const middle = y - 18;
    for (const x of [g.left, g.right]) add(svg("rect", {class: "cut", x: x - 4, width: 8, y: middle - 11, height: 22}),
      svg("line", {class: "pause", x1: x, x2: x, y1: middle - 10, y2: middle + 11}));
    add(svg("text", {class: "mark", x: g.middle, y: middle + 4}, t("{time} later", {time: place.pause < 1e6 ? span(place.pause) : +(place.pause / 1e6).toPrecision(4) + " s"})));
  }
  add(svg("rect", {class: "rowhit", x: 0, width: g.width, y: y - 1, height: place.height}));
  if (!g.narrow && row.k !== "gap")
    add(svg("text", {class: "time", x: g.gutter - 8, y: base - 1}, (row.u ? "≈ " : "") + span(Math.max(0, row.t - view.t0))));
  const room = Math.floor((g.width - g.right - 22) / 7.2);
  let rightY = base;
  const right = (cls, text) => { add(svg("text", {class: cls, x: g.right + 13, y: rightY}, clip(text, room))); rightY += LINE; };
  if (row.k === "seg") {
    // What was lost on its way ends before the other side.
    const [x0, far] = row.d === "rx" ? [g.left + 4, g.right - 4] : [g.right - 4, g.left + 4], share = row.D ? 0.75 : 1;
    const y0 = y + 15, there = row.d === "tx" ? arrives : y + 22, x1 = x0 + share * (far - x0), y1 = y0 + share * (there - y0);
    const slope = Math.atan2(y1 - y0, x1 - x0), spot = (length, turn) => `${x1 - length * Math.cos(slope + turn)} ${y1 - length * Math.sin(slope + turn)}`;
    add(svg("path", {class: `wire ${row.d}${row.x ? " lost" : ""}`, d: `M${x0} ${y0}L${spot(7, 0)}`}),
      row.D ? svg("path", {class: "cross", d: `M${x1 - 5} ${y1 - 5}l10 10m0 -10l-10 10`})
        : svg("path", {class: `barb ${row.d}`, d: `M${x1} ${y1}L${spot(9, -0.38)}L${spot(9, 0.38)}Z`}));
    const label = y1 - y0 > 20 ? svg("text", {class: "what early", x: x0 - 4, y: y0 - 4}) : svg("text", {class: "what", x: (x0 + far) / 2, y: (y0 + there) / 2 - 8});
    const flags = tag(row) + flagNames(row.f), letters = Math.floor((g.right - g.left - 26) / 6.2) - flags.length;
    label.append(svg("tspan", {class: "flags"}, flags), svg("tspan", {}, " " + (letters > 3 ? clip(segmentText(row), letters) : "")));
    add(label);
    if (row.B) rightY = y + 26;
  } else if (row.k === "call" || row.k === "ret") {
    right(row.k, tag(row) + visible(row.x));
  } else if (row.k === "console") {
    right("console", "› " + visible(row.x));
  } else if (row.k === "sample") {
    right("console", visible(row.S || row.x));
  } else if (row.k === "note") {
    wrap(noteText(row), (g.right - g.gutter - 16) / 5.8).forEach((text, i) => {
      const said = svg("text", {class: "note", x: g.gutter + 8, y: base + i * LINE}), who = visible(row.w);
      if (i === 0) said.append(svg("tspan", {class: "who" + (/^(host|time|clock)/.test(row.w) ? " host" : "")}, who), svg("tspan", {}, text.slice(who.length)));
      else said.textContent = text;
      add(said);
    });
  } else if (row.k === "gap") {
    add(svg("rect", {class: "gap", x: 0, width: g.width, y, height: place.height}), svg("text", {class: "gaptext", x: g.width / 2, y: base}, clip(visible(row.x), g.width / 6.6)));
  } else if (row.k === "boot") {
    add(svg("text", {class: "boot", x: g.middle, y: base}, t("the board starts")));
  }
  for (const b of row.B || []) {
    const text = svg("text", {x: g.right + 13, y: rightY});
    text.append(svg("tspan", {class: "state s2" + (isOdd(b, view.exact) ? " odd" : "")}, tag(row) + b[5]));
    if (!g.narrow) text.append(svg("tspan", {class: "cause", dx: 7}, clip(b[2] + (b[3] === "freed" ? ", " + t("freed") : ""), (g.width - g.right - 28 - 7.3 * (tag(row) + b[5]).length) / 5.9)));
    text.append(svg("title", {}, [`${b[4]} → ${b[5]}`, b[2], b[3]].filter(Boolean).join(" · ")));
    add(text);
    rightY += LINE;
  }
  peerSteps(row, view).forEach((p, i) => add(svg("text", {class: "state s1", x: g.left - 13,
    y: (row.d === "tx" ? Math.min(arrives, y + 26) + 4 : base) + i * LINE}, (view.conn ? "" : `c${p[0]} `) + p[2])));
  group.addEventListener("click", () => onChoose(n));
  return group;
}
// The moment that is looked at; null: now.
export function choose(n) {
  chosen = n;
  mark();
  const each = drawn.find(d => d.index === n), box = $("ladder");
  if (n === null) box.scrollTop = box.scrollHeight;
  else if (each) {
    const y = each.y + HEAD;
    if (y < box.scrollTop + HEAD + 20) box.scrollTop = y - HEAD - 40;
    else if (y + each.height > box.scrollTop + box.clientHeight - 20) box.scrollTop = y + each.height - box.clientHeight + 40;
  }
}
function mark() {
  const each = chosen === null ? null : drawn.find(d => d.index === chosen);
  for (const id of ["cursor", "cursorbar"]) {
    $(id).setAttribute("y", each ? each.y - 2 : 0);
    $(id).setAttribute("height", each ? each.height : 0);
  }
  $("rows").querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
  if (each) each.node.setAttribute("aria-selected", "true");
  if (each) $("ladder").setAttribute("aria-activedescendant", each.node.id);
  else $("ladder").removeAttribute("aria-activedescendant");
}
function spark(node) {
  if (calm()) return;
  const wire = node.querySelector(".wire"), dot = svg("circle", {class: "spark", r: 4}), length = wire.getTotalLength(), began = performance.now();
  $("rungs").append(dot);
  (function move(now) {
    const share = Math.min(1, Math.max(0, (now - began) / 380)), point = wire.getPointAtLength(length * share);
    dot.setAttribute("cx", point.x);
    dot.setAttribute("cy", point.y);
    if (share < 1 && dot.isConnected) requestAnimationFrame(move); else dot.remove();
  })(began);
}
