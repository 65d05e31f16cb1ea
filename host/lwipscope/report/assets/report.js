// The report: a run stepped moment by moment. Data comes from page_rows.py and html.py, which
// explain the keys. Everything that was recorded gets onto the page as text, never as markup.
"use strict";
(() => {
const $ = id => document.getElementById(id);
const D = JSON.parse($("data").textContent);
const NS = "http://www.w3.org/2000/svg";
const NAMES = {S: "SYN", F: "FIN", R: "RST", P: "PSH", ".": "ACK", U: "URG", E: "ECE", W: "CWR"};
const NOTES = {extra: "not in RFC 9293", unreachable: "no program gets there",
  elsewhere: "done in another way", absent: "this stack does not have it"};
const KINDS = {seg: "segment", call: "call", ret: "return", state: "transition", sample: "sample", note: "note",
  console: "console", gap: "gap", boot: "start"};

function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {}))
    if (key === "on") made.addEventListener("click", value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value);
  made.append(...children.filter(c => c !== undefined && c !== null && c !== ""));
  return made;
}
function svg(name, attributes, text) {
  const made = document.createElementNS(NS, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}
const flagNames = f => f === "none" ? "no flags" : "SFRPU.EW".split("").filter(c => f.includes(c))
  .map(c => NAMES[c]).join("+");
const visible = s => s.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g,
  c => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"));
const clip = (s, n) => s.length > n ? s.slice(0, Math.max(1, n - 1)) + "…" : s;
function span(us) {
  if (!us) return "0";
  if (us < 1e3) return us + " µs";
  if (us < 1e6) return (us / 1e3).toFixed(us < 1e5 ? 2 : 1) + " ms";
  if (us < 6e8) return (us / 1e6).toFixed(3) + " s";
  return (us / 6e7).toFixed(1) + " min";
}
const about2 = us => us < 1e6 ? +(us / 1e3).toPrecision(2) + " ms" : +(us / 1e6).toPrecision(2) + " s";

// What is looked at: one connection, or all of a life.
let view, at = 0, playing = 0, linking = 0, chosenEdge = null;

for (const each of D.deviations) for (const [life, seq] of each.at) {
  // The event itself may stand in the row before it.
  const rows = D.lives[life].rows, n = rows.findLastIndex(r => r.m !== undefined && r.m <= seq);
  if (n >= 0) (rows[n].V = rows[n].V || []).push(each);
}

function choices() {
  const made = [];
  D.lives.forEach((life, n) => {
    const where = D.lives.length > 1 ? `life ${n + 1}, ` : "";
    for (const c of life.conns) {
      if (c.role === "listener" && life.conns.some(o => o.listener === c.id)) continue;
      const ends = c.role === "listener" ? c.local : `${c.local} – ${c.remote}`;
      made.push({key: `${n}.${c.id}`, life: n, conn: c, text: `${where}c${c.id} ${c.role} ${ends}`});
    }
    made.push({key: `${n}.all`, life: n, conn: null, text: where + "everything"});
  });
  return made;
}
function preferred(list) {
  const judged = D.judged.find(j => j[0] === "path" && j[6] !== null);
  return judged && list.find(c => c.life === judged[5] && c.conn && c.conn.id === judged[6])
    || [...list].reverse().find(c => c.conn) || list[0];
}

function mine(row, choice) {
  const c = choice.conn;
  if (!c || row.c === undefined || row.c === c.id) return true;
  // A first SYN that the listener let pass is where the other end's story begins.
  if (row.k === "seg") return (row.P || []).some(p => p[0] === c.id);
  if (row.c !== c.listener) return false;
  return row.k !== "ret" || row.o === undefined || row.o === c.id;
}
// The listener's accept() calls that gave other connections, or came after this one's end.
function ofOthers(choice) {
  const c = choice.conn, found = new Set();
  let called = null, ended = false;
  if (c) for (const row of D.lives[choice.life].rows) {
    if (row.c === c.id && row.B && row.B[row.B.length - 1][5] === "CLOSED") ended = true;
    if (row.c !== c.listener) continue;
    if (row.k === "call" && row.x.startsWith("accept(")) {
      called = row;
      if (ended) found.add(row);
    } else if (row.k === "ret" && called && row.o !== undefined && row.o !== c.id) found.add(called);
  }
  return found;
}
function build(choice) {
  const others = ofOthers(choice);
  let rows = D.lives[choice.life].rows.filter(r => mine(r, choice) && !others.has(r));
  if (choice.conn) {
    // What the program printed before the connection's socket existed is not its story.
    const first = rows.findIndex(r => r.c !== undefined);
    rows = rows.slice(Math.max(0, first));
  }
  const sent = new Set();
  for (const row of rows) {
    if (row.k !== "seg" || !(row.l || /[SF]/.test(row.f))) continue;
    const name = [choice.conn ? 0 : row.c, row.d, row.q, row.l, row.f.replace(/[P.]/g, "")].join();
    row.again = sent.has(name);
    sent.add(name);
  }
  const isn = {};
  for (const c of D.lives[choice.life].conns) isn[c.id] = c.isn;
  return {choice, rows, isn, shown: rows.map((_, n) => n), t0: rows.length ? rows[0].t : 0};
}
function relative(row) {
  const conn = view.choice.conn;
  const [theirs, ours] = view.isn[conn ? conn.id : row.c] || [null, null];
  const [from, to] = row.d === "rx" ? [theirs, ours] : [ours, theirs];
  // What is older than the connection is counted backwards.
  const less = (n, base) => base === null || base === undefined ? n : (n - base) | 0;
  return [less(row.q, from), less(row.a, to)];
}
function segmentText(row) {
  const [seq, ack] = relative(row);
  return `seq=${seq}` + (row.f.includes(".") ? ` ack=${ack}` : "") + (row.l ? ` len=${row.l}` : "")
    + (row.s ? ` mss=${row.s}` : "") + (row.again ? " again" : "");
}
function rowText(row) {
  const steps = [...(row.B || []).map(b => `${b[5]} ${b[2]}`), ...(row.P || []).map(p => p[2])];
  const what = row.k === "seg" ? `${flagNames(row.f)} ${segmentText(row)}` : visible(row.x || "");
  return [KINDS[row.k], row.k === "note" ? visible(row.w) : "", what, ...steps, ...(row.V || []).map(v => "deviates: " + v.name)].filter(Boolean).join(" ");
}
const conns = row => view.choice.conn ? "" : row.c ? `c${row.c} ` : "";
const peerSteps = row => (row.P || []).filter(p => !view.choice.conn || p[0] === view.choice.conn.id);

// The ladder.
let places = [], spans = [];
function layout(width) {
  const small = width < 480, gutter = small ? 6 : 84;
  const left = gutter + (small ? 82 : Math.max(104, width * 0.16));
  const right = width - (small ? 116 : Math.max(204, width * 0.335));
  return {width, small, gutter, left, right, middle: (left + right) / 2};
}
function measure(rows, line) {
  const gaps = rows.slice(1).map((r, n) => r.t - rows[n].t).filter(d => d > 0).sort((a, b) => a - b);
  const usual = gaps.length ? gaps[Math.floor((gaps.length - 1) * 0.75)] : 1;
  const full = Math.max(2 * usual, 1);
  let y = 22;
  const made = [];
  rows.forEach((row, n) => {
    const pause = n ? row.t - rows[n - 1].t : 0;
    const cut = pause > 4 * full;
    if (n) y += cut ? 40 : Math.round(26 * Math.min(1, pause / full));
    const lines = Math.max(1, peerSteps(row).length, (row.B || []).length + (row.k === "call" ? 1 : 0), row.lines || 1);
    const height = (row.k === "seg" ? 33 : 23) + (lines - 1) * line;
    made.push({y, height, pause: cut ? pause : 0});
    y += height;
  });
  return {made, end: y + 34, full};
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
function drawLadder() {
  const box = $("ladder"), g = layout(Math.max(320, box.clientWidth || 640)), line = 15;
  const rows = view.shown.map(n => view.rows[n]);
  box.replaceChildren();
  if (!rows.length) {
    box.append(el("p", {class: "none"}, view.rows.length ? "Nothing fits the filter."
      : "No connection and no event was recorded in this run."));
    places = [];
    return;
  }
  for (const row of rows)
    if (row.k === "note") row.lines = wrap(visible(row.w + "  " + row.x), (g.right - g.gutter - 16) / 5.6).length;
  const {made, end, full} = measure(rows, line);
  places = made;
  const head = svg("svg", {class: "head", width: g.width, height: 31, viewBox: `0 0 ${g.width} 31`, "aria-hidden": "true"});
  head.append(svg("text", {class: "h1", x: g.left, y: 20}, g.small ? "other end" : "the other end"),
    svg("text", {class: "h2", x: g.right, y: 20}, "the board"));
  if (!g.small) head.append(svg("text", {x: 12, y: 20}, "board time"));
  const top = svg("svg", {width: g.width, height: end, viewBox: `0 0 ${g.width} ${end}`, id: "rungs"});
  const under = svg("g"), over = svg("g");
  top.append(under, over);
  under.append(svg("rect", {class: "cursor", id: "cursor", x: 0, width: g.width, y: 0, height: 20}),
    svg("rect", {class: "cursorbar", id: "cursorbar", x: 0, width: 3, y: 0, height: 20}));
  for (const x of [g.left, g.right]) under.append(svg("line", {class: "life", x1: x, x2: x, y1: 4, y2: end - 26}));
  const arrivals = crossing(rows, made);
  bands(under, rows, made, g, end, arrivals);
  rows.forEach((row, n) => over.append(rung(row, n, made[n], g, line, arrivals[n])));
  top.append(svg("rect", {class: "future", id: "future", x: 0, width: g.width, y: end, height: 0}));
  top.append(svg("text", {class: "mark", x: g.middle, y: end - 8},
    g.small ? "" : `downwards is time: longer pauses than ${about2(4 * full)} are cut`));
  box.append(head, top);
}
// A segment of the board that the other end had not yet taken in when it sent the next one crosses
// that one on the wire: it is drawn as arriving after it was sent.
function crossing(rows, made) {
  return rows.map((row, n) => {
    const y = made[n].y + 22;
    if (row.k !== "seg" || row.d !== "tx") return y;
    const size = row.l + row.f.includes("S") + row.f.includes("F");
    const until = (row.q + size) % 2 ** 32;
    let arrives = y;
    for (let m = n + 1; size && m < Math.min(rows.length, n + 5); m++) {
      const other = rows[m];
      if (other.k !== "seg" || other.c !== row.c) continue;
      if (other.d === "tx" || !other.f.includes(".")) break;
      if ((other.a - until + 2 ** 32) % 2 ** 32 < 2 ** 31) break;
      if (other.f.includes("F") || other.f.includes("S") || other.l) arrives = made[m].y + 27;
      break;
    }
    return arrives;
  });
}
// Colour on a lifeline: the connection is in some state. Where records are missing there is none.
function bands(under, rows, made, g, end) {
  let board = null, peer = null;
  if (!view.choice.conn) return;
  const draw = (cls, x, from, to) => to > from && under.append(
    svg("rect", {class: cls, x: x - 3, width: 6, y: from, height: to - from, rx: 3}));
  rows.forEach((row, n) => {
    const y = made[n].y;
    if (row.k === "gap" || row.k === "boot") {
      if (board !== null) draw("band2", g.right, board, y);
      if (peer !== null) draw("band1", g.left, peer, y);
      board = peer = null;
    }
    for (const b of row.B || []) {
      const here = y + (row.k === "seg" ? 24 : 12);
      if (b[5] === "CLOSED") { if (board !== null) draw("band2", g.right, board, here); board = null; }
      else if (board === null) board = here;
    }
    for (const p of peerSteps(row)) {
      const here = y + (row.d === "tx" ? 24 : 12);
      if (p[2] === "CLOSED") { if (peer !== null) draw("band1", g.left, peer, here); peer = null; }
      else if (peer === null) peer = here;
    }
  });
  if (board !== null) draw("band2", g.right, board, end - 26);
  if (peer !== null) draw("band1", g.left, peer, end - 26);
}
function rung(row, n, place, g, line, arrives) {
  const group = svg("g", {class: "row k-" + row.k, id: "row" + n, role: "option",
    "aria-label": `${view.shown[n] + 1}: ${rowText(row)}`});
  const y = place.y, add = (...made) => group.append(...made);
  if (place.pause) {
    const middle = y - 20;
    for (const x of [g.left, g.right]) add(svg("rect", {class: "cut", x: x - 4, width: 8, y: middle - 12, height: 24}),
      svg("line", {class: "pause", x1: x, x2: x, y1: middle - 11, y2: middle + 12}));
    add(svg("text", {class: "mark", x: g.middle, y: middle + 4}, `${place.pause < 1e6 ? span(place.pause) : +(place.pause / 1e6).toPrecision(4) + " s"} later`));
  }
  add(svg("rect", {class: "rowhit", x: 0, width: g.width, y: y - 1, height: place.height}));
  const base = y + 16;
  if (!g.small && row.k !== "gap")
    add(svg("text", {class: "time", x: g.gutter - 8, y: base - 1}, (row.u ? "≈ " : "") + span(Math.max(0, row.t - view.t0))));
  const room = Math.floor((g.width - g.right - 22) / (g.small ? 6 : 7.2));
  let rightY = base;
  const right = (cls, text) => { add(svg("text", {class: cls, x: g.right + 13, y: rightY}, clip(text, room))); rightY += line; };
  if (row.k === "seg") {
    const [x0, far] = row.d === "rx" ? [g.left + 4, g.right - 4] : [g.right - 4, g.left + 4];
    const y0 = y + 15, there = row.d === "tx" ? arrives : y + 22;
    const part = row.D ? 0.75 : 1, x1 = x0 + part * (far - x0), y1 = y0 + part * (there - y0);
    const lost = row.x ? " lost" : "";
    const slope = Math.atan2(y1 - y0, x1 - x0), cut = 7;
    add(svg("path", {class: `wire ${row.d}${lost}`, d: `M${x0} ${y0}L${x1 - cut * Math.cos(slope)} ${y1 - cut * Math.sin(slope)}`}),
      row.D ? svg("path", {class: "cross", d: `M${x1 - 5} ${y1 - 5}l10 10m0 -10l-10 10`})
        : svg("path", {class: `barb ${row.d}`, d: `M${x1} ${y1}L${x1 - 9 * Math.cos(slope - 0.38)} ${y1 - 9 * Math.sin(slope - 0.38)}L${x1 - 9 * Math.cos(slope + 0.38)} ${y1 - 9 * Math.sin(slope + 0.38)}Z`}));
    // Near its start, a label keeps clear of what crosses the arrow.
    const label = y1 - y0 > 20 ? svg("text", {class: "what early", x: x0 - 4, y: y0 - 4})
      : svg("text", {class: "what", x: (x0 + far) / 2, y: (y0 + there) / 2 - 8});
    const flags = svg("tspan", {class: "flags"}, conns(row) + flagNames(row.f));
    const letters = Math.floor((g.right - g.left - 26) / (g.small ? 5.4 : 6.2)) - flagNames(row.f).length;
    label.append(flags, svg("tspan", {}, " " + clip(segmentText(row), letters)));
    add(label);
    if (row.B) rightY = y + 26;
  } else if (row.k === "call" || row.k === "ret") {
    right(row.k, conns(row) + visible(row.x));
  } else if (row.k === "console") {
    right("console", "› " + visible(row.x));
  } else if (row.k === "sample") {
    if (!row.S) right("console", visible(row.x));
    else {
      const text = svg("text", {x: g.right + 13, y: rightY});
      text.append(svg("tspan", {class: "state s2"}, conns(row) + row.S), svg("tspan", {class: "cause", dx: 7}, "sampled"));
      add(text);
    }
  } else if (row.k === "note") {
    wrap(visible(row.w + "  " + row.x), (g.right - g.gutter - 16) / 5.6).forEach((text, i) => {
      const t = svg("text", {class: "note", x: g.gutter + 8, y: base + i * line});
      if (i === 0) t.append(svg("tspan", {class: row.w === "host" ? "who host" : "who"}, visible(row.w)), svg("tspan", {}, text.slice(visible(row.w).length)));
      else t.textContent = text;
      add(t);
    });
  } else if (row.k === "gap") {
    add(svg("rect", {class: "gap", x: 0, width: g.width, y: y, height: place.height}),
      svg("text", {class: "gaptext", x: g.width / 2, y: base}, clip(visible(row.x), g.width / 6.6)));
  } else if (row.k === "boot") {
    add(svg("text", {class: "boot", x: g.middle, y: base}, "the board starts"));
  }
  for (const b of row.B || []) {
    const odd = isOdd(b) ? " odd" : "";
    const text = svg("text", {x: g.right + 13, y: rightY});
    text.append(svg("tspan", {class: "state s2" + odd}, conns(row) + b[5]));
    if (!g.small) text.append(svg("tspan", {class: "cause", dx: 7}, clip(b[2] + (b[3] === "freed" ? ", freed" : ""),
      (g.width - g.right - 28 - (row.V ? 14 : 0) - 7.3 * (conns(row) + b[5]).length) / 5.8)));
    add(text);
    rightY += line;
  }
  peerSteps(row).forEach((p, i) => add(svg("text", {class: "state s1", x: g.left - 13,
    y: (row.d === "tx" ? Math.min(arrives, y + 26) + 4 : base) + i * line}, (view.choice.conn ? "" : `c${p[0]} `) + p[2])));
  if (row.V) {
    const mark = svg("path", {class: "deviates", d: `M${g.width - 14} ${base - 10}l6 6-6 6-6-6z`});
    mark.append(svg("title", {}, "deviates: " + row.V.map(v => v.name).join(", ")));
    add(mark);
  }
  group.addEventListener("click", () => go(n));
  return group;
}
const isOdd = b => D.exact && (b[1] < 0 || (D.graphs.board[b[0]] || [])[b[1]]?.[0] === "extra");

// The scrubber, on the same scale as the ladder.
function drawTrack() {
  const box = $("track"), high = box.clientHeight || 38, W = Math.max(60, box.clientWidth);
  box.replaceChildren();
  const top = svg("svg", {viewBox: `0 0 ${W} ${high}`, preserveAspectRatio: "none", "aria-hidden": "true"});
  top.append(svg("line", {class: "rail", x1: 0, x2: W, y1: high / 2, y2: high / 2}));
  const marks = {rx: "", tx: "", o: ""};
  view.shown.forEach((index, n) => {
    const row = view.rows[index], x = trackX(n, W), kind = row.k === "seg" ? row.d : "o";
    const [a, b] = kind === "rx" ? [9, 0] : kind === "tx" ? [0, 9] : [3, 3];
    marks[kind] += `M${x.toFixed(1)} ${high / 2 - a}V${high / 2 + b}`;
  });
  for (const kind in marks) top.append(svg("path", {class: `tick t-${kind}`, d: marks[kind], fill: "none"}));
  top.append(svg("line", {class: "ghost", id: "ghost", y1: 0, y2: high, visibility: "hidden"}),
    svg("circle", {class: "knob", id: "knob", r: 7, cx: 8, cy: high / 2}));
  box.append(top);
  box.setAttribute("aria-valuemax", Math.max(1, view.shown.length));
}
function trackX(n, W) {
  const last = places[places.length - 1];
  return last && places.length > 1 ? 8 + (W - 16) * (places[n].y - places[0].y) / (last.y - places[0].y) : 8;
}
function nearest(event) {
  const box = $("track").getBoundingClientRect(), x = event.clientX - box.left;
  let low = 0, high = places.length - 1;
  while (low < high) {
    const half = (low + high) >> 1;
    if ((trackX(half, box.width) + trackX(half + 1, box.width)) / 2 < x) low = half + 1; else high = half;
  }
  return low;
}
function hover(event) {
  if (!places.length) return;
  const n = nearest(event), row = view.rows[view.shown[n]], tip = $("tip");
  const box = $("track").getBoundingClientRect(), W = box.width, x = trackX(n, W);
  $("ghost").setAttribute("visibility", "visible");
  $("ghost").setAttribute("x1", x);
  $("ghost").setAttribute("x2", x);
  tip.hidden = false;
  tip.textContent = `${view.shown[n] + 1}  ·  ${span(Math.max(0, row.t - view.t0))}  ·  ${clip(rowText(row), 90)}`;
  const half = tip.offsetWidth / 2 + 8;
  tip.style.left = Math.min(innerWidth - half, Math.max(half, box.left + x)) + "px";
  if (event.buttons === 1) go(n);
}

// The diagrams.
const arrows = {}, boxes = {};
for (const side of ["peer", "board"]) {
  arrows[side] = {};
  boxes[side] = {};
  for (const each of $(side).querySelectorAll(".arrow")) {
    arrows[side][each.dataset.edge] = each;
    each.setAttribute("tabindex", Object.keys(arrows[side]).length > 1 ? "-1" : "0");
    each.setAttribute("role", "button");
    each.setAttribute("aria-label", each.dataset.edge.replace(">", " to "));
    each.addEventListener("click", () => edge(side, each.dataset.edge));
    each.addEventListener("focus", () => {
      for (const other of Object.values(arrows[side])) other.setAttribute("tabindex", other === each ? "0" : "-1");
    });
    each.addEventListener("keydown", e => {
      // One tab stop for a diagram; up and down go from edge to edge.
      const all = Object.values(arrows[side]), step = {ArrowDown: 1, ArrowUp: -1}[e.key];
      if (e.key === "Enter" || e.key === " ") edge(side, each.dataset.edge);
      else if (step) all[(all.indexOf(each) + step + all.length) % all.length].focus();
      else return;
      e.preventDefault();
      e.stopPropagation();
    });
  }
  for (const each of $(side).querySelectorAll(".state"))
    boxes[side][each.dataset.state + (each.dataset.end === "1" ? "." : "")] = each;
}
const stepsOf = (row, side) => side === "board"
  ? (row.B || []).map(b => ({key: b[0], from: b[4], to: b[5], text: b[2], site: b[3], odd: isOdd(b), conn: row.c}))
  : peerSteps(row).map(p => ({key: `${p[1]}>${p[2]}`, from: p[1], to: p[2], text: peerCause(row, p[2]), site: "", odd: false, conn: p[0]}));
function peerCause(row, to) {
  if (row.k !== "seg") return "";
  const own = row.f.includes("R") || ["SYN_SENT", "SYN_RCVD", "FIN_WAIT_1", "LAST_ACK"].includes(to);
  return (row.d === "tx" ? "gets " : own ? "sends " : "shown by its ") + flagNames(row.f);
}
function paint() {
  const index = view.shown.length ? view.shown[at] : -1;
  for (const side of ["peer", "board"]) {
    const taken = new Set(), used = new Set(), seen = new Set(), usedStates = new Set(), odd = new Set();
    let now = [], here = null;
    view.rows.forEach((row, n) => {
      const steps = stepsOf(row, side);
      if (row.k === "boot" && n <= index) here = null;
      if (row.S && side === "board") {
        usedStates.add(row.S);
        if (n <= index) { seen.add(row.S); here = row.S; }
      }
      for (const s of steps) {
        // The graph of the other end does not say how it came to LISTEN.
        const spots = [s.from, s.to === "CLOSED" && s.from !== "LISTEN" && s.from !== "SYN_SENT" ? "CLOSED." : s.to];
        used.add(s.key);
        spots.forEach(each => usedStates.add(each));
        if (n > index) continue;
        taken.add(s.key);
        spots.forEach(each => seen.add(each));
        if (s.odd) odd.add(s.key);
        here = spots[1];
      }
      if (n === index) now = steps;
    });
    for (const key in arrows[side]) {
      const list = arrows[side][key].classList;
      list.toggle("used", used.has(key));
      list.toggle("taken", taken.has(key));
      list.toggle("odd", odd.has(key));
      list.toggle("now", now.some(s => s.key === key));
      list.toggle("chosen", !!chosenEdge && chosenEdge[0] === side && chosenEdge[1] === key);
    }
    for (const name in boxes[side]) {
      const list = boxes[side][name].classList;
      list.toggle("used-state", usedStates.has(name));
      list.toggle("seen", seen.has(name));
      list.toggle("here", here === name && !!view.choice.conn);
    }
    $(side + "-state").textContent = view.choice.conn && here ? here.replace(".", "") : "";
    const says = $(side + "-now");
    says.replaceChildren();
    now.slice(-2).forEach((s, n) => {
      if (n) says.append(el("br"));
      says.append(el("b", {}, `${s.from} → ${s.to}`), [" ", s.text, s.site && s.site !== "freed" ? s.site : ""].filter(Boolean).join("  "));
    });
  }
}

// The panels.
const pairs = list => el("dl", {}, ...list.filter(p => p[1] !== "").flatMap(([label, text, mono]) =>
  [el("dt", {}, label), el("dd", {class: mono ? "mono" : undefined}, text)]));
const pathLine = text => {
  const line = el("p", {class: "path"});
  text.split(" > ").forEach((state, n) => { if (n) line.append(el("i", {}, " → ")); line.append(state); });
  return line;
};
function about() {
  const box = $("about"), made = [];
  for (const [subject, verdict, expected, seen, text, life, conn] of D.judged) {
    const of = {path: "path of the board", beside: "another connection", peer: "path of the other end",
      evidence: "evidence", legality: "edges", deviation: "known deviation", wire: "wire", step: "step"}[subject] || subject;
    const name = of + (conn !== null ? ` (c${conn}${D.lives.length > 1 ? `, life ${life + 1}` : ""})` : "");
    const judged = subject === "peer" && !expected ? "" : verdict;
    made.push(el("h4", {}, name, " ", el("span", {class: verdict}, judged)));
    if (seen) made.push(pathLine(seen));
    if (expected && expected !== seen) made.push(el("p", {}, "expected"), pathLine(expected));
    if (!seen && text || (verdict !== "PASS" && subject !== "peer")) made.push(el("p", {}, visible(text)));
  }
  if (D.deviations.length) made.push(el("h4", {}, `known deviations seen (${D.deviations.length})`));
  for (const each of D.deviations) {
    const where = each.at.find(a => a[0] === view.choice.life), n = where === undefined ? -1
      : view.shown.findIndex(i => (view.rows[i].V || []).includes(each));
    made.push(el("div", {class: "way deviation"}, el("b", {}, each.name + " "),
      n < 0 ? "" : el("button", {class: "jump", "aria-label": "to its moment", on: () => step(n)}, String(view.shown[n] + 1)),
      el("span", {}, each.text), el("span", {}, `deviates from: ${each.breaks} · ${each.source}`)));
  }
  const c = view.choice.conn;
  if (c && !D.judged.some(j => j[6] === c.id && j[5] === view.choice.life)) {
    made.push(el("h4", {}, D.sampled ? `states of c${c.id} that were seen` : `path of c${c.id}, not judged`), pathLine(c.path.join(" > ")));
  }
  const head = [el("h3", {}, "This run")];
  if (D.story) head.push(el("p", {}, D.story));
  const facts = D.facts.map(([label, text]) => [label, visible(text)]);
  if (D.source) facts.unshift(["source", D.source]);
  const tail = [el("h4", {}, "made how"), pairs(facts)];
  if (D.remarks.length) tail.push(el("h4", {}, "remarks"), ...D.remarks.map(r => el("p", {}, visible(r))));
  box.replaceChildren(...head, ...made, ...tail);
}
function edgeWays(side, key, took) {
  return (D.graphs[side][key] || []).map(([kind, trigger, source, note, sends, rfc], n) =>
    el("div", {class: `way ${kind}${took === n ? " took" : ""}`}, el("b", {}, trigger),
      NOTES[kind] ? el("span", {class: "tag " + kind}, NOTES[kind]) : "",
      el("span", {}, [sends, source].filter(Boolean).join(" · ")), rfc ? el("span", {}, rfc) : "", note ? el("span", {}, note) : ""));
}
function edge(side, key) {
  stop();
  chosenEdge = [side, key];
  const happened = [];
  view.shown.forEach((index, n) => {
    for (const s of stepsOf(view.rows[index], side)) if (s.key === key) happened.push([n, s]);
  });
  const ways = edgeWays(side, key, -1), made = [el("h3", {class: "mono"}, key.replace(">", " → "))];
  made.push(el("p", {}, side === "peer" ? "The other end, by RFC 9293." : "The board."));
  if (happened.length) {
    made.push(el("h4", {}, "here it was caused by"));
    for (const [n, s] of happened.slice(0, 40))
      made.push(el("button", {class: "jump", on: () => go(n)}, `${view.shown[n] + 1}  ${clip(s.text || key, 40)}`));
    if (happened.length > 40) made.push(el("p", {}, `and ${happened.length - 40} times more`));
  } else made.push(el("p", {}, "Not taken in what is shown here."));
  made.push(el("h4", {}, ways.length > 1 ? `${ways.length} ways` : "the edge"), ...ways);
  $("detail").replaceChildren(...made);
  $("detail").scrollIntoView({block: "nearest"});
  paint();
}
function bytesOf(row) {
  const text = atob(row.b), made = new Uint8Array(text.length);
  for (let n = 0; n < text.length; n++) made[n] = text.charCodeAt(n);
  return made;
}
function headers(bytes) {
  const ip = 14, tcp = ip + (bytes[ip] & 15) * 4, data = tcp + (bytes[tcp + 12] >> 4) * 4;
  return {ip, tcp, data, end: ip + (bytes[ip + 2] << 8 | bytes[ip + 3])};
}
function optionsText(bytes, from, to) {
  const made = [];
  for (let n = from; n < to && bytes[n] !== 0;) {
    const kind = bytes[n], size = kind === 1 ? 1 : bytes[n + 1];
    const number = () => { let v = 0; for (let i = 2; i < size; i++) v = v * 256 + bytes[n + i]; return v; };
    if (kind !== 1 && (!size || size < 2 || n + size > to)) { made.push("malformed"); break; }
    made.push(kind === 1 ? "nop" : kind === 2 ? `mss ${number()}` : kind === 3 ? `window scale ${number()}`
      : kind === 4 ? "SACK permitted" : kind === 5 ? "SACK" : kind === 8 ? "timestamps" : `kind ${kind}`);
    n += size;
  }
  return made.join(", ");
}
function hex(bytes, whole) {
  const part = headers(bytes), pre = el("pre", {class: "hex", tabindex: "0", "aria-label": "bytes"});
  const kind = n => n < part.ip ? "eth" : n < part.tcp ? "ip" : n < part.data ? "tcp" : n < part.end ? "data" : "eth";
  for (let n = 0; n < bytes.length; n += 16) {
    pre.append(n.toString(16).padStart(4, "0") + "  ");
    let letters = "";
    for (let i = n; i < n + 16; i++) {
      if (i >= bytes.length) { pre.append("   "); continue; }
      pre.append(el("span", {class: kind(i)}, bytes[i].toString(16).padStart(2, "0")), i % 8 === 7 ? "  " : " ");
      letters += bytes[i] > 31 && bytes[i] < 127 ? String.fromCharCode(bytes[i]) : "·";
    }
    pre.append(letters + "\n");
  }
  const more = whole - bytes.length;
  return [pre, more > 0 ? el("p", {}, `and ${more} bytes more, which are in the run file and its capture`) : ""];
}
function detail() {
  const box = $("detail");
  if (!view.shown.length) { box.replaceChildren(); return; }
  const index = view.shown[at], row = view.rows[index], made = [];
  const time = span(Math.max(0, row.t - view.t0));
  const when = [["moment", `${index + 1} of ${view.rows.length}`],
    ["board time", row.u ? `about ${time} after the first (placed by the host's clock, `
      + (row.u > 3e9 ? "nothing says how far off)" : `± ${span(row.u)})`)
      : `${time} after the first, ${(row.t / 1e6).toFixed(6)} s after boot`]];
  if (row.c) when.push(["connection", "c" + row.c]);
  if (row.k === "seg") {
    const [seq, ack] = relative(row), both = (r, a) => r === a ? `${a}` : `${r}  (${a})`;
    made.push(el("h3", {}, `${flagNames(row.f)} `, el("span", {class: "tag"}, row.d === "rx" ? "to the board" : "from the board")));
    if (row.x) made.push(el("p", {}, row.x + "."));
    if (row.again) made.push(el("p", {}, "A repetition: these numbers were sent before."));
    const list = [...when, ["sequence number", both(seq, row.q), 1]];
    if (row.f.includes(".")) list.push(["acknowledges", both(ack, row.a), 1]);
    list.push(["window", `${row.w}`, 1], ["data", `${row.l} bytes`]);
    const bytes = row.b ? bytesOf(row) : null;
    if (bytes) {
      const p = headers(bytes), options = optionsText(bytes, p.tcp + 20, Math.min(p.data, bytes.length));
      list.push(["options", options || "none"], ["ports", `${bytes[p.tcp] << 8 | bytes[p.tcp + 1]} → ${bytes[p.tcp + 2] << 8 | bytes[p.tcp + 3]}`, 1]);
    } else if (row.s) list.push(["options", `mss ${row.s}`]);
    made.push(pairs(list));
    causes(row, made);
    if (bytes) made.push(el("h4", {}, `bytes (${row.n})`), ...hex(bytes, row.n));
    else made.push(el("p", {}, "The frame itself was not captured: these are the board's own records."));
  } else {
    made.push(el("h3", {class: row.k === "note" ? "" : "mono"}, visible(row.x || (row.B ? `${row.B[0][4]} → ${row.B[0][5]}` : ""))));
    made.push(pairs([["what", {call: "the application called the socket layer", ret: "what a call returned",
      state: "a transition", sample: "what the probe saw, now and then; states between may have been missed", note: `a deed of: ${visible(row.w || "")}`, console: "the board's console",
      gap: "records are missing: nothing is joined over this", boot: "the board introduced itself"}[row.k]], ...when]));
    causes(row, made);
  }
  box.replaceChildren(...made);
}
function causes(row, made) {
  for (const each of row.V || []) made.push(el("h4", {class: "deviates"}, "◆ a known deviation"),
    el("div", {class: "way deviation"}, el("b", {}, each.name), el("span", {}, each.text),
      el("span", {}, `deviates from: ${each.breaks} · ${each.source}`)));
  for (const b of row.B || []) {
    made.push(el("h4", {}, `the board: ${b[4]} → ${b[5]}`));
    const ways = edgeWays("board", b[0], b[1]), way = ways[b[1]];
    made.push(pairs([["cause", b[2]], ["where", b[3] === "freed" ? "freed without a store" : b[3], 1]]));
    if (way) made.push(way);
    else if (D.exact) made.push(el("p", {class: "FAIL"}, "This stack's graph has no such edge."));
  }
  for (const s of stepsOf(row, "peer")) {
    made.push(el("h4", {}, `the other end: ${s.from} → ${s.to}`), el("p", {}, `${s.text}; deduced from the segments by RFC 9293's rules`));
  }
}

// Moving.
function go(n, keep) {
  if (!view.shown.length) { at = 0; paint(); detail(); return; }
  const forth = n === at + 1;
  at = Math.max(0, Math.min(view.shown.length - 1, n));
  if (!keep) chosenEdge = null;
  const place = places[at], end = +$("rungs").getAttribute("height");
  for (const id of ["cursor", "cursorbar"]) {
    $(id).setAttribute("y", place.y - 2);
    $(id).setAttribute("height", place.height);
  }
  const below = at + 1 < places.length ? place.y + place.height - 2 : end;
  $("future").setAttribute("y", below);
  $("future").setAttribute("height", Math.max(0, end - below));
  const row = view.rows[view.shown[at]], time = span(Math.max(0, row.t - view.t0));
  $("knob").setAttribute("cx", trackX(at, Math.max(60, $("track").clientWidth)));
  const track = $("track");
  track.setAttribute("aria-valuenow", at + 1);
  track.setAttribute("aria-valuetext", `${at + 1} of ${view.shown.length}: ${rowText(row)}`);
  $("where").replaceChildren(el("b", {}, `${view.shown[at] + 1}`), ` / ${view.rows.length} · ${time}`);
  $("ladder").setAttribute("aria-activedescendant", "row" + at);
  paint();
  detail();
  reveal(place);
  if (forth && row.k === "seg") spark(row, place);
  // Browsers refuse many of these in a row.
  clearTimeout(linking);
  linking = setTimeout(() => history.replaceState(null, "",
    `#t=${view.shown[at] + 1}&c=${view.choice.key}`), 200);
}
function reveal(place) {
  const box = $("ladder");
  if (box.scrollHeight > box.clientHeight + 2) {
    const head = 31, y = place.y + head;
    if (y < box.scrollTop + head + 40) box.scrollTop = y - head - 60;
    else if (y + place.height > box.scrollTop + box.clientHeight - 50) box.scrollTop = y + place.height - box.clientHeight + 90;
  } else if (opened && innerWidth <= 720) $("row" + at).scrollIntoView({block: "nearest"});
}
function spark(row) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const wire = $("row" + at).querySelector(".wire"), top = $("rungs");
  const dot = svg("circle", {class: "spark", r: 4}), length = wire.getTotalLength(), began = performance.now();
  top.querySelectorAll(".spark").forEach(each => each.remove());
  top.append(dot);
  (function move(now) {
    const share = Math.min(1, Math.max(0, (now - began) / 380)), point = wire.getPointAtLength(length * share);
    dot.setAttribute("cx", point.x);
    dot.setAttribute("cy", point.y);
    if (share < 1 && dot.isConnected) requestAnimationFrame(move); else dot.remove();
  })(began);
}
function stop() {
  clearInterval(playing);
  playing = 0;
  $("play").classList.remove("on");
  $("play").setAttribute("aria-label", "play");
}
function play() {
  if (playing) { stop(); return; }
  if (at >= view.shown.length - 1) go(0);
  $("play").classList.add("on");
  $("play").setAttribute("aria-label", "pause");
  playing = setInterval(() => { if (at >= view.shown.length - 1) stop(); else go(at + 1); }, 750);
}
const step = n => { stop(); go(n); };
function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const on = event.target.matches ? event.target : document.body;
  const typing = on.matches("input, select, textarea");
  if (event.key === "Escape" && event.target === $("filter")) { $("filter").value = ""; filter(); $("ladder").focus(); return; }
  if (typing) return;
  if (event.key === " " && on.matches("button")) return;
  const listed = event.target === $("ladder") || event.target === $("track");
  const moves = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: view.shown.length - 1};
  if (listed) Object.assign(moves, {ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10});
  if (event.key in moves) step(moves[event.key]);
  else if (event.key === " ") play();
  else if (event.key === "/") $("filter").focus();
  else return;
  event.preventDefault();
}
function filter() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = view.shown[at];
  view.shown = view.rows.map((_, n) => n)
    .filter(n => words.every(w => rowText(view.rows[n]).toLowerCase().includes(w)));
  redraw(kept);
}
function redraw(index) {
  drawLadder();
  drawTrack();
  let n = view.shown.findIndex(each => each >= index);
  if (n < 0) n = view.shown.length - 1;
  go(n, true);
}
function select(choice, index) {
  view = build(choice);
  $("conn").value = choice.key;
  $("filter").value = "";
  about();
  redraw(index === undefined ? view.rows.length - 1 : index);
}
function fromLink(list) {
  const wanted = new URLSearchParams(location.hash.slice(1)), t = parseInt(wanted.get("t"), 10);
  const choice = list.find(c => c.key === wanted.get("c")) || preferred(list);
  if (choice) select(choice, Number.isFinite(t) ? Math.max(0, t - 1) : undefined);
}

let opened = false;
const list = choices();
$("verdict").textContent = D.verdict || "not judged";
$("verdict").classList.add(D.verdict || "none");
$("name").textContent = visible(D.name);
$("title").textContent = visible(D.title || (D.facts.find(f => f[0] === "board") || ["", ""])[1]);
const warnings = [...D.problems];
if (D.sampled) warnings.unshift("sampled: the board's states were looked at now and then; what happened between two looks is not known");
if (!D.exact && !D.sampled) warnings.push("this board's stack was not verified: its transitions are held against RFC 9293 only");
if (D.ended) warnings.push("the run ended early: " + D.ended);
$("banner").hidden = !warnings.length;
$("banner").textContent = visible(warnings.join(" · "));
for (const choice of list) $("conn").append(el("option", {value: choice.key}, choice.text));
$("conn").addEventListener("change", e => { stop(); select(list.find(c => c.key === e.target.value)); });
$("filter").addEventListener("input", filter);
$("first").onclick = () => step(0);
$("back").onclick = () => step(at - 1);
$("next").onclick = () => step(at + 1);
$("last").onclick = () => step(view.shown.length - 1);
$("play").onclick = play;
$("track").addEventListener("pointermove", hover);
$("track").addEventListener("pointerleave", () => { $("tip").hidden = true; $("ghost")?.setAttribute("visibility", "hidden"); });
$("track").addEventListener("pointerdown", e => { if (places.length) { stop(); $("track").setPointerCapture(e.pointerId); go(nearest(e)); } });
document.addEventListener("keydown", key);
addEventListener("hashchange", () => { clearTimeout(linking); fromLink(list); });
addEventListener("beforeprint", () => { stop(); $("filter").value = ""; filter(); go(view.shown.length - 1); });
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(view.shown[at]); } });
if (list.length) fromLink(list);
else { view = {choice: {conn: null, key: ""}, rows: [], shown: [], isn: {}, t0: 0}; about(); redraw(0); }
opened = true;
})();
