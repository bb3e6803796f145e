"use strict";
// Runs are data from models and files: they become text nodes and numbers, never markup.
const runs = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#3b7dd8", "#1d9a8a", "#d9822b", "#b5499c", "#7a5cd0", "#c0392b", "#6b8e23", "#8c6d46", "#4aa3c7", "#888f99"];
const OPERATIONS = { nor_conv_3x3: "#c0392b", nor_conv_1x1: "#d9822b", skip_connect: "#3b7dd8", avg_pool_3x3: "#1d9a8a", none: "#98a3b1" };
const TITLES = { hv: "hv: share of the true front's hypervolume", hv_at_k: "hv@20, after 20 look-ups", hv_ceiling: "ceiling of this predictor",
  igd_plus: "IGD+", unit_hv: "unit hv", optimism: "optimism" };
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let run = runs[0], cells = new Map(), chosen = null, timer = null;

function make(tag, text, name) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = String(text);
  if (name) node.className = name;
  return node;
}
function draw(parent, tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text !== undefined) node.textContent = String(text);
  parent.append(node);
  return node;
}
const fixed = (value, digits) => (value === null || value === undefined ? "–" : Number(value).toFixed(digits));
const signed = (value) => (value >= 0 ? "+" : "") + fixed(value, 4);
const ms = (value) => `${Number(value).toPrecision(4)} ms`;
const colour = (niche) => COLOURS[Math.max(0, run.niches.findIndex((n) => n.id === niche)) % COLOURS.length];

function table(target, heads, rows, numbers) {
  const right = (i) => (numbers.includes(i) ? "number" : "");
  const head = make("tr");
  heads.forEach((text, i) => head.append(make("th", text, right(i))));
  const lines = rows.map((row) => {
    const line = make("tr");
    row.forEach((value, i) => {
      const place = make("td", value instanceof Node ? undefined : value, right(i));
      if (value instanceof Node) place.append(value);
      line.append(place);
    });
    return line;
  });
  $(target).replaceChildren(head, ...lines);
}

function scale(low, high, from, to, log) {
  const f = log ? Math.log : (x) => x;
  const span = f(high) - f(low) || 1;
  return (x) => from + ((f(x) - f(low)) / span) * (to - from);
}
function ticks(low, high, log) {
  const found = [];
  if (log && high / low > 3) {
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const step of high / low > 10 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8]) found.push(step * 10 ** power);
  } else {
    const rough = (high - low || 1) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= rough);
    for (let x = Math.ceil(low / step) * step; x <= high; x += step) found.push(x);
  }
  return found.filter((x) => x >= low && x <= high).map((x) => Number(x.toPrecision(6)));
}
function axes(svg, box, x, y, xs, ys, names) {
  for (const t of xs) {
    draw(svg, "line", { class: "grid", x1: x(t), x2: x(t), y1: box.top, y2: box.bottom });
    draw(svg, "text", { x: x(t), y: box.bottom + 15, "text-anchor": "middle" }, t);
  }
  for (const t of ys) {
    draw(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: y(t), y2: y(t) });
    draw(svg, "text", { x: box.left - 6, y: y(t) + 4, "text-anchor": "end" }, t);
  }
  draw(svg, "text", { x: box.right, y: box.bottom + 32, "text-anchor": "end" }, names[0]);
  draw(svg, "text", { x: box.left - 40, y: box.top - 6 }, names[1]);
}

// Latency and accuracy of cells no other one beats, fastest first.
function frontOf(list) {
  const sorted = [...list].sort((a, b) => a.latency_ms - b.latency_ms || b.predicted_accuracy_pct - a.predicted_accuracy_pct);
  const kept = [];
  for (const c of sorted) if (!kept.length || c.predicted_accuracy_pct > kept.at(-1).predicted_accuracy_pct) kept.push(c);
  return kept;
}
const claimed = () => frontOf(run.cells.filter((c) => c.test_accuracy_pct !== null));

function showFront() {
  const svg = $("front"), until = Number($("generation").value), box = { left: 52, right: 628, top: 22, bottom: 360 };
  svg.replaceChildren();
  if (!run.cells.length) return;
  const latency = run.cells.map((c) => c.latency_ms), accuracy = run.cells.map((c) => c.predicted_accuracy_pct).sort((a, b) => a - b);
  // Cells that hardly train would squeeze the rest into a strip, so the axis starts at the worst of the best part.
  const front = frontOf(run.cells).map((c) => c.predicted_accuracy_pct);
  const low = Math.max(accuracy[0], Math.min(front[0], accuracy[Math.floor(accuracy.length * 0.15)]) - 1), high = accuracy.at(-1);
  const ends = [Math.min(...latency), Math.max(...latency)];
  const x = scale(ends[0], ends[1], box.left + 10, box.right - 10, true), y = scale(low, high, box.bottom - 8, box.top + 10, false);
  axes(svg, box, x, y, ticks(ends[0], ends[1], true), ticks(low, high, false), ["latency, ms (log)", "accuracy, %"]);
  const seen = run.cells.filter((c) => c.generation <= until);
  const line = frontOf(seen).filter((c) => c.predicted_accuracy_pct >= low);
  let path = "";
  line.forEach((c, i) => { path += i ? `H${x(c.latency_ms)}V${y(c.predicted_accuracy_pct)}` : `M${x(c.latency_ms)} ${y(c.predicted_accuracy_pct)}`; });
  if (path) draw(svg, "path", { class: "path", d: path });
  for (const c of seen) {
    if (c.predicted_accuracy_pct < low) continue;
    const place = { cx: x(c.latency_ms), cy: y(c.predicted_accuracy_pct) };
    if (c.test_accuracy_pct !== null) draw(svg, "circle", { ...place, r: 7.5, class: "ring" });
    const point = draw(svg, "circle", { ...place, r: 4.5, fill: colour(c.niche), class: "point" + (chosen === c.arch ? " chosen" : ""),
      "fill-opacity": c.generation === until ? 1 : 0.65, tabindex: 0 });
    draw(point, "title", {}, `${c.niche}, generation ${c.generation}: ${fixed(c.predicted_accuracy_pct, 2)} %, ${ms(c.latency_ms)}`);
    point.addEventListener("click", () => inspect(c.arch));
    point.addEventListener("keydown", (event) => { if (event.key === "Enter") inspect(c.arch); });
  }
  run.niches.forEach((n, i) => {
    draw(svg, "circle", { cx: box.left + 6 + i * 56, cy: 392, r: 4.5, fill: colour(n.id) });
    draw(svg, "text", { class: "name", x: box.left + 15 + i * 56, y: 396 }, n.id.slice(0, 6));
  });
  const below = seen.length - seen.filter((c) => c.predicted_accuracy_pct >= low).length;
  $("when").textContent = `generation ${until}, ${seen.length} cells` + (below ? `, ${below} below the picture` : "");
}

// "|op~0|+|op~0|op~1|+..." as [operation, from, to].
function edges(arch) {
  return arch.split("+").flatMap((part, i) => part.split("|").filter(Boolean).map((edge) => {
    const at = edge.lastIndexOf("~");
    return [edge.slice(0, at), Number(edge.slice(at + 1)), i + 1];
  }));
}
function drawCell(arch) {
  const svg = $("drawing"), list = edges(arch);
  svg.replaceChildren();
  const nodes = Math.max(...list.map((e) => e[2]), 0) + 1;
  const at = (i) => 24 + (i * 272) / Math.max(1, nodes - 1), middle = 88;
  if (!list.every(([op, a, b]) => op && Number.isInteger(a) && a >= 0 && a < b)) {
    draw(svg, "text", { x: 8, y: 20 }, "this cell cannot be drawn");
    return;
  }
  let side = 1;
  for (const [op, a, b] of list) {
    const near = b - a === 1, lift = near ? 0 : side * (b - a) * 26;
    if (!near) side = b - a === nodes - 1 ? side : -side;
    const mid = (at(a) + at(b)) / 2, known = Object.hasOwn(OPERATIONS, op) ? OPERATIONS[op] : "#888f99";
    const dead = op === "none" ? "dead" : "";
    draw(svg, "path", { d: `M${at(a)} ${middle}Q${mid} ${middle - 2 * lift} ${at(b)} ${middle}`, fill: "none", stroke: known, class: dead,
      "stroke-width": op === "none" ? 1.2 : 2.6, ...(op === "none" ? { "stroke-dasharray": "4 4" } : {}) });
    draw(svg, "text", { class: "name " + dead, x: mid, y: middle - lift - 5, "text-anchor": "middle" }, op.replace("nor_", "").replace("_connect", "").slice(0, 16));
  }
  for (let i = 0; i < nodes; i++) {
    draw(svg, "circle", { class: "node", cx: at(i), cy: middle, r: 12 });
    draw(svg, "text", { class: "name", x: at(i), y: middle + 4, "text-anchor": "middle" }, i + 1);
  }
  for (const [i, name] of [[0, "in"], [nodes - 1, "out"]]) draw(svg, "text", { x: at(i), y: middle + 27, "text-anchor": "middle" }, name);
}
function link(arch) {
  const text = make(cells.has(arch) ? "a" : "code");
  text.append(make("code", arch));
  if (cells.has(arch)) text.addEventListener("click", () => inspect(arch));
  return text;
}
function inspect(arch) {
  const c = cells.get(arch);
  if (!c) return;
  chosen = arch;
  if (c.generation > Number($("generation").value)) $("generation").value = c.generation;
  drawCell(arch);
  const list = $("cell");
  list.replaceChildren();
  const add = (name, ...values) => {
    const place = make("dd");
    values.forEach((v) => { const line = make("div"); line.append(v instanceof Node ? v : String(v)); place.append(line); });
    if (values.length) list.append(make("dt", name), place);
  };
  add("cell", make("code", c.arch));
  add("measured", `niche ${c.niche}, generation ${c.generation}`);
  add("accuracy", `${fixed(c.predicted_accuracy_pct, 2)} % predicted` + (c.test_accuracy_pct === null ? "" : `, ${fixed(c.test_accuracy_pct, 2)} % tested after the search`));
  add("latency", ms(c.latency_ms));
  if (c.gain !== null) add("gain", `${fixed(c.gain, 4)} of its niche's normalised hypervolume`);
  add("made by", [c.operator, c.source].filter(Boolean).join(", ") || "unknown");
  if (c.rationale) add("because", c.rationale);
  add("parents", ...c.parents.map(link));
  const known = new Map(run.heuristics.map((h) => [h.id, h.statement]));
  add("heuristics", ...c.heuristics.map((id) => known.get(id) ?? id));
  if (c.verdict) add("verdict", c.verdict);
  showFront();
}

function showChoice() {
  const front = claimed(), at = Number($("limit").value) / 1000;
  if (!front.length) return;
  const low = front[0].latency_ms, high = front.at(-1).latency_ms, limit = low * (high / low) ** at;
  $("limit-ms").textContent = ms(limit);
  const best = front.filter((c) => c.latency_ms <= limit * (1 + 1e-9)).at(-1);
  $("within").replaceChildren("most accurate: ", link(best.arch), ` ${fixed(best.predicted_accuracy_pct, 2)} % predicted in ${ms(best.latency_ms)}`);
  const knee = cells.get(run.knee);
  if (knee) $("knee").replaceChildren("knee of the front: ", link(knee.arch), ` ${fixed(knee.predicted_accuracy_pct, 2)} % predicted in ${ms(knee.latency_ms)}`);
  table("steps", ["from", "to", "ms more", "points more", "points a ms"], run.steps.map((s) => {
    const slow = cells.get(s.slower), fast = cells.get(s.arch);
    return [fast ? ms(fast.latency_ms) : "", slow ? named(s.slower, ms(slow.latency_ms)) : "", s.extra_ms.toPrecision(3), fixed(s.extra_pct, 2), (s.extra_pct / s.extra_ms).toPrecision(3)];
  }), [0, 1, 2, 3, 4]);
}
function named(arch, text) {
  const node = make("a", text);
  node.addEventListener("click", () => inspect(arch));
  return node;
}

function showCoverage() {
  const svg = $("coverage"), rows = run.niches.length, columns = Math.max(1, run.generations);
  svg.replaceChildren();
  const width = 560 / columns, height = 220 / Math.max(1, rows), counts = run.niches.map(() => new Array(columns).fill(0));
  for (const c of run.cells) {
    const row = run.niches.findIndex((n) => n.id === c.niche);
    if (row >= 0 && c.generation < columns) counts[row][c.generation] += 1;
  }
  const most = Math.max(1, ...counts.flat());
  counts.forEach((line, i) => {
    draw(svg, "text", { class: "name", x: 4, y: 14 + (i + 0.6) * height }, run.niches[i].id.slice(0, 8));
    line.forEach((n, g) => {
      const cell = draw(svg, "rect", { x: 60 + g * width, y: 10 + i * height, width: Math.max(0.5, width - 2), height: height - 2, fill: colour(run.niches[i].id), "fill-opacity": n ? 0.2 + (0.8 * n) / most : 0.04 });
      draw(cell, "title", {}, `${run.niches[i].id}, generation ${g}: ${n} cells`);
      if (n && width > 18) draw(svg, "text", { class: "name", x: 59 + (g + 0.5) * width, y: 14 + (i + 0.5) * height, "text-anchor": "middle" }, n);
    });
  });
  draw(svg, "text", { x: 620, y: 250, "text-anchor": "end" }, `cells measured, generation 0 to ${columns - 1}`);
  const final = claimed();
  table("niches", ["niche", "rule", "cells", "measured", "on front"], run.niches.map((n) => [n.id, n.rule, n.cells,
    run.cells.filter((c) => c.niche === n.id).length, final.filter((c) => c.niche === n.id).length]), [2, 3, 4]);
}

const nameOf = (r) => `${r.dataset} on ${r.device}, ${r.model}, seed ${r.seed}`;
function showConvergence() {
  const svg = $("convergence"), box = { left: 52, right: 628, top: 22, bottom: 250 };
  svg.replaceChildren();
  const lines = runs.map((r) => r.volumes.map((v) => v / (r.volumes.at(-1) || 1)));
  const longest = Math.max(2, ...lines.map((l) => l.length)), low = Math.min(1, ...lines.flat()) - 0.01;
  const x = scale(0, longest - 1, box.left, box.right, false), y = scale(low, 1, box.bottom, box.top + 10, false);
  axes(svg, box, x, y, ticks(0, longest - 1, false).filter(Number.isInteger), ticks(low, 1, false), ["generation", "share of the final hypervolume"]);
  lines.forEach((line, i) => {
    if (!line.length) return;
    draw(svg, "path", { fill: "none", stroke: COLOURS[i % COLOURS.length], "stroke-width": runs[i] === run ? 3 : 1.4,
      d: line.map((v, g) => `${g ? "L" : "M"}${x(g)} ${y(v)}`).join("") });
  });
  $("lines").replaceChildren(...(runs.length < 2 ? [] : runs.map((r, i) => {
    const item = make("li", nameOf(r));
    item.style.setProperty("--colour", COLOURS[i % COLOURS.length]);
    item.classList.toggle("chosen", r === run);
    return item;
  })));
}

const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(0)} %` : "–");
// [3, 4, 5, 8] as "3–5, 8".
function spans(numbers) {
  const found = [];
  for (const n of numbers) if (found.length && found.at(-1)[1] === n - 1) found.at(-1)[1] = n; else found.push([n, n]);
  return found.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(", ");
}
function showSignatures() {
  const groups = new Map();
  for (const s of run.signatures) {
    const key = JSON.stringify([s.niche, s.kind, s.source]);
    groups.set(key, [...(groups.get(key) ?? []), s]);
  }
  // A standstill of the run is answered in one niche, everything else where it was seen.
  const answers = (s) => run.remedies.filter((r) => r.kind === s.kind && r.source === s.source && (r.niche === s.niche || s.niche === "run"));
  const items = [...groups.values()].map((list) => {
    const last = list.at(-1), item = make("li"), when = list.map((s) => s.generation);
    item.append(make("b", `${last.niche}, ${last.kind.replaceAll("_", " ")}`), `, generation ${spans(when)}${last.source ? `, by ${last.source}` : ""}: ${last.reason}`);
    for (const r of answers(last)) item.append(make("p", `done in generation ${r.generation}, ${r.niche}: ${r.taken}`));
    return item;
  });
  $("signatures").replaceChildren(...(items.length ? items : [make("li", "none in this run's trace")]));
}

function showRun() {
  cells = new Map(run.cells.map((c) => [c.arch, c]));
  chosen = null;
  $("title").textContent = `${run.dataset} on ${run.device}`;
  $("about").textContent = `${run.run} · ${run.model}, seed ${run.seed}, partition ${run.partition}, ${run.evaluations} cells in ${run.generations} generations · ${run.data_source}`
    + ` · true front: ${run.reference} · predictor: ${run.predictor}`;
  $("figures").replaceChildren(...Object.entries(run.figures).map(([name, value]) => {
    const box = make("div");
    box.append(make("b", fixed(value, name === "igd_plus" ? 4 : 3)), make("span", TITLES[name] ?? name));
    return box;
  }));
  $("generation").max = Math.max(0, run.generations - 1);
  $("generation").value = $("generation").max;
  const p = run.proposals, c = run.cost;
  table("cost", ["what", "how much"], [["cells measured", run.evaluations], ["seconds", fixed(c.seconds, 1)], ["model calls", c.calls],
    ["tokens in / out", `${c.tokens_in} / ${c.tokens_out}`], ["US$", c.usd === null ? "price unknown" : fixed(c.usd, 4)],
    ...Object.entries(c.roles).map(([name, r]) => [name, `${r.model}: ${r.calls} calls, ${r.repairs} asked again, ${r.failures} failed${r.failure ? ` (${r.failure})` : ""}`]),
    ["proposals", `${p.raw}: ${p.novel} novel (${share(p.novel, p.raw)}), ${p.repaired} repaired (${share(p.repaired, p.raw)}), ${p.duplicate} duplicate (${share(p.duplicate, p.raw)}), ${p.rejected} rejected (${share(p.rejected, p.raw)})`]], [1]);
  table("sources", ["by", "who or how", "proposals", "novel", "valid as written", "repaired", "repeated", "new", "rejected", "mean gain"],
    run.sources.map((s) => [s.grouping, s.name, s.counts.raw, s.counts.novel,
      ...["raw_valid", "repaired", "duplicate", "novel", "rejected"].map((k) => share(s.rates[k], 1)), fixed(s.gain, 4)]), [2, 3, 4, 5, 6, 7, 8, 9]);
  showSignatures();
  table("heuristics", ["heuristic", "status", "n", "shown", "withheld", "lift"], run.heuristics.map((h) => [h.statement, h.status, h.n, h.shown, h.withheld,
    h.lift === null ? "–" : `${signed(h.lift)} [${signed(h.lift_low)}, ${signed(h.lift_high)}]`]), [2, 3, 4, 5]);
  showFront(); showChoice(); showCoverage(); showConvergence();
  inspect(run.knee);
}

function stop() { clearInterval(timer); timer = null; $("play").textContent = "play"; }
$("generation").addEventListener("input", () => { stop(); showFront(); });
$("limit").addEventListener("input", showChoice);
$("play").addEventListener("click", () => {
  if (timer) { stop(); return; }
  const bar = $("generation");
  if (bar.value === bar.max) bar.value = 0; else bar.value = Number(bar.value) + 1;
  showFront();
  $("play").textContent = "stop";
  timer = setInterval(() => {
    if (bar.value === bar.max) { stop(); return; }
    bar.value = Number(bar.value) + 1;
    showFront();
  }, 600);
});
runs.forEach((r, i) => { const option = make("option", nameOf(r)); option.value = i; $("run").append(option); });
$("run").parentElement.hidden = runs.length < 2;
$("run").addEventListener("change", () => { stop(); run = runs[Number($("run").value)]; showRun(); });
showRun();
document.documentElement.dataset.ready = "yes";
