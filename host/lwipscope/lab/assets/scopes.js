// The two state diagrams: states lit, edges that were taken, the newest one glowing.
"use strict";
import {$, t, el, flagNames} from "./dom.js";
import {isOdd, peerSteps} from "./ladder.js";

const arrows = {}, boxes = {}, texts = {};

export function begin(explain) {
  for (const side of ["board", "peer"]) {
    arrows[side] = {};
    boxes[side] = {};
    for (const each of $(side).querySelectorAll(".arrow")) {
      const key = each.dataset.edge;
      button(each, Object.keys(arrows[side]).length ? "-1" : "0", t("{a} to {b}", {a: key.split(">")[0], b: key.split(">")[1]}), () => explain(side, key.replace(">", " > ")));
      arrows[side][key] = each;
    }
    for (const each of $(side).querySelectorAll(".state")) {
      boxes[side][each.dataset.state + (each.dataset.end === "1" ? "." : "")] = each;
      button(each, "-1", each.dataset.state, () => explain(side, each.dataset.state));
    }
    // One tab stop for a diagram; the arrow keys go from one to the next.
    const all = [...Object.values(arrows[side]), ...Object.values(boxes[side])];
    for (const each of all) each.addEventListener("focus", () => all.forEach(o => o.setAttribute("tabindex", o === each ? "0" : "-1")));
    $(side).addEventListener("keydown", e => {
      const step = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1}[e.key], here = all.indexOf(document.activeElement);
      if (!step || here < 0) return;
      all[(here + step + all.length) % all.length].focus();
      e.preventDefault();
      e.stopPropagation();
    });
  }
}
function button(node, tabindex, label, act) {
  for (const [key, value] of Object.entries({tabindex, role: "button", "aria-label": label})) node.setAttribute(key, value);
  node.addEventListener("click", act);
  node.addEventListener("keydown", e => {
    if (e.key !== "Enter" && e.key !== " ") return;
    act();
    e.preventDefault();
    e.stopPropagation();
  });
}
function cause(row, to) {
  if (row.k !== "seg") return "";
  const own = row.f.includes("R") || ["SYN_SENT", "SYN_RCVD", "FIN_WAIT_1", "LAST_ACK"].includes(to);
  const flags = flagNames(row.f);
  return row.d === "tx" ? t("gets {flags}", {flags}) : own ? t("sends {flags}", {flags}) : t("shown by its {flags}", {flags});
}
const stepsOf = (row, side, view) => side === "board"
  ? (row.B || []).map(b => ({key: b[0], from: b[4], to: b[5], text: b[2], site: b[3], odd: isOdd(b, view.exact)}))
  : peerSteps(row, view).map(p => ({key: `${p[1]}>${p[2]}`, from: p[1], to: p[2], text: cause(row, p[2]), site: "", odd: false}));

// `until`: the index of the moment, all rows after it have not happened yet.
export function paint(view, until, chosen) {
  for (const side of ["board", "peer"]) {
    const taken = new Set(), seen = new Set(), odd = new Set();
    let now = [], here = null;
    view.rows.slice(0, until + 1).forEach((row, n) => {
      if (row.k === "boot") { here = null; now = []; }
      const steps = stepsOf(row, side, view);
      for (const s of steps) {
        const spots = [s.from, s.to === "CLOSED" && s.from !== "LISTEN" && s.from !== "SYN_SENT" ? "CLOSED." : s.to];
        taken.add(s.key);
        spots.forEach(each => seen.add(each));
        if (s.odd) odd.add(s.key);
        here = spots[1];
      }
      // Now: the newest step of this end; at a chosen moment only what happened in it.
      if (steps.length) now = steps;
      else if (n === until && chosen) now = [];
    });
    const lit = view.conn ? new Set(here ? [here] : []) : side === "board" && !chosen ? view.states : new Set();
    for (const [key, node] of Object.entries(arrows[side])) {
      node.classList.toggle("taken", taken.has(key));
      node.classList.toggle("odd", odd.has(key));
      node.classList.toggle("now", now.some(s => s.key === key));
    }
    for (const [name, node] of Object.entries(boxes[side])) {
      node.classList.toggle("seen", seen.has(name));
      node.classList.toggle("here", lit.has(name));
    }
    $(side + "-state").textContent = view.conn && here ? here.replace(".", "") : "";
    const text = JSON.stringify(now);
    if (texts[side] === text) continue;
    texts[side] = text;
    $(side + "-now").replaceChildren(...now.slice(-2).flatMap((s, n) => [n ? el("br") : "",
      el("b", {}, `${s.from} → ${s.to}`), ["", s.text, s.site && s.site !== "freed" ? s.site : ""].join("  ").trimEnd()]));
  }
}
