"use strict";
// Runs are data from models and files: they become text nodes and numbers, never markup.
const runs = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#3b7dd8", "#1d9a8a", "#d9822b", "#b5499c", "#7a5cd0", "#c0392b", "#6b8e23", "#8c6d46", "#4aa3c7", "#888f99"];
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let run = runs[0], networks = new Map(), chosen = null, timer = null;

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
const signed = (value, digits) => (value >= 0 ? "+" : "") + fixed(value, digits);
const ms = (value) => `${Number(value).toPrecision(4)} ms`;
const held = (value) => `${fixed(value, 2)}${run.metric.unit ? ` ${run.metric.unit}` : ""}`;
const better = (a, b) => (run.metric.higher_is_better ? a > b : a < b);
const colour = (niche) => COLOURS[Math.max(0, run.niches.findIndex((n) => n.id === niche)) % COLOURS.length];
const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(0)} %` : "–");

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
  (typeof target === "string" ? $(target) : target).replaceChildren(...(heads.length ? [head] : []), ...lines);
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

// Networks no other one beats, fastest first.
function frontOf(list) {
  const kept = [];
  for (const n of [...list].sort((a, b) => a.latency_ms - b.latency_ms || (better(a.value, b.value) ? -1 : 1)))
    if (!kept.length || better(n.value, kept.at(-1).value)) kept.push(n);
  return kept;
}
const claimed = () => run.front.map((arch) => networks.get(arch)).filter(Boolean);

function showFront() {
  const svg = $("front"), until = Number($("generation").value), box = { left: 56, right: 628, top: 22, bottom: 360 };
  svg.replaceChildren();
  if (!run.networks.length) return;
  const front = frontOf(run.networks), bases = run.baselines.filter((b) => Number.isFinite(b.latency_ms) && Number.isFinite(b[run.metric.name]));
  const latency = [...run.networks.flatMap((n) => [n.low_ms, n.high_ms]), ...bases.map((b) => b.latency_ms)];
  const ranked = run.networks.map((n) => n.value).sort((a, b) => (better(a, b) ? -1 : 1));
  // Networks that hardly train would squeeze the rest into a strip, so the axis ends at the worst of the best part.
  const shown = [...front.map((n) => n.value), ...front.map((n) => n.test).filter((t) => t !== null), ranked[Math.floor(ranked.length * 0.8)], ...bases.map((b) => b[run.metric.name])];
  const low = Math.min(...shown), high = Math.max(...shown);
  const inside = (value) => value >= low && value <= high;
  const x = scale(Math.min(...latency), Math.max(...latency), box.left + 10, box.right - 10, true), y = scale(low, high, box.bottom - 8, box.top + 10, false);
  axes(svg, box, x, y, ticks(Math.min(...latency), Math.max(...latency), true), ticks(low, high, false),
    ["latency, ms (log)", run.metric.name + (run.metric.unit ? `, ${run.metric.unit}` : "")]);
  const seen = run.networks.filter((n) => n.generation <= until);
  const path = frontOf(seen).filter((n) => inside(n.value)).map((n, i) => (i ? `H${x(n.latency_ms)}V${y(n.value)}` : `M${x(n.latency_ms)} ${y(n.value)}`)).join("");
  if (path) draw(svg, "path", { class: "path", d: path });
  for (const b of bases) {
    const mark = draw(svg, "rect", { class: "base", x: x(b.latency_ms) - 4, y: y(b[run.metric.name]) - 4, width: 8, height: 8 });
    draw(mark, "title", {}, `baseline ${b.name ?? b.arch ?? ""}: ${held(b[run.metric.name])}, ${ms(b.latency_ms)}`);
  }
  for (const n of seen) {
    if (!inside(n.value)) continue;
    const cx = x(n.latency_ms), cy = y(n.value);
    if (n.high_ms > n.low_ms) draw(svg, "line", { class: "whisker", x1: x(n.low_ms), x2: x(n.high_ms), y1: cy, y2: cy });
    if (n.test !== null && inside(n.test)) draw(svg, "path", { class: "test", d: `M${cx - 4} ${y(n.test) - 4}l8 8m-8 0l8 -8` });
    const point = draw(svg, "circle", { cx, cy, r: 4.5, fill: colour(n.niche), class: "point" + (chosen === n.arch ? " chosen" : ""),
      "fill-opacity": n.generation === until ? 1 : 0.65, tabindex: 0 });
    draw(point, "title", {}, `${n.niche}, generation ${n.generation}: ${held(n.value)}, ${ms(n.latency_ms)}`);
    point.addEventListener("click", () => inspect(n.arch));
    point.addEventListener("keydown", (event) => { if (event.key === "Enter") inspect(n.arch); });
  }
  run.niches.slice(0, 10).forEach((n, i) => {
    draw(svg, "circle", { cx: box.left + 6 + i * 56, cy: 392, r: 4.5, fill: colour(n.id) });
    draw(svg, "text", { class: "name", x: box.left + 15 + i * 56, y: 396 }, n.id.slice(0, 6));
  });
  const outside = seen.filter((n) => !inside(n.value)).length;
  $("when").textContent = `generation ${until}, ${seen.length} networks` + (outside ? `, ${outside} outside the picture` : "");
}

// Texts as they come: "|op~0|+|op~0|op~1|" is a cell, "name=value name=value" a list of choices.
function edges(arch) {
  if (!arch.startsWith("|")) return [];
  return arch.split("+").flatMap((part, i) => part.split("|").filter(Boolean).map((edge) => {
    const at = edge.lastIndexOf("~");
    return [edge.slice(0, at), Number(edge.slice(at + 1)), i + 1];
  }));
}
const pairs = (arch) => arch.split(/\s+/).map((p) => [p.slice(0, p.indexOf("=")), p.slice(p.indexOf("=") + 1)]).filter(([name]) => name);
function canvas(width, height, label) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label })) svg.setAttribute(name, value);
  return svg;
}
function cellOf(list) {
  const svg = canvas(320, 190, "the cell"), nodes = Math.max(...list.map((e) => e[2])) + 1, names = [...new Set(list.map((e) => e[0]))].sort();
  const at = (i) => 24 + (i * 272) / Math.max(1, nodes - 1), middle = 88;
  let side = 1;
  for (const [op, a, b] of list) {
    const near = b - a === 1, lift = near ? 0 : side * (b - a) * 26;
    if (!near) side = b - a === nodes - 1 ? side : -side;
    const mid = (at(a) + at(b)) / 2, dead = op === "none";
    draw(svg, "path", { d: `M${at(a)} ${middle}Q${mid} ${middle - 2 * lift} ${at(b)} ${middle}`, fill: "none", class: dead ? "dead" : "",
      stroke: dead ? "#98a3b1" : COLOURS[names.indexOf(op) % COLOURS.length], "stroke-width": dead ? 1.2 : 2.6, ...(dead ? { "stroke-dasharray": "4 4" } : {}) });
    draw(svg, "text", { class: dead ? "name dead" : "name", x: mid, y: middle - lift - 5, "text-anchor": "middle" }, op.replace("nor_", "").replace("_connect", "").slice(0, 16));
  }
  for (let i = 0; i < nodes; i++) {
    draw(svg, "circle", { class: "node", cx: at(i), cy: middle, r: 12 });
    draw(svg, "text", { class: "name", x: at(i), y: middle + 4, "text-anchor": "middle" }, i + 1);
  }
  for (const [i, name] of [[0, "in"], [nodes - 1, "out"]]) draw(svg, "text", { x: at(i), y: middle + 27, "text-anchor": "middle" }, name);
  return svg;
}
// Every value a choice takes among the run's networks; places among them are what a stage's shades mean.
function ranges() {
  const found = new Map();
  for (const n of run.networks) for (const [name, value] of pairs(n.arch)) {
    const kind = name.replace(/_?\d+$/, "");
    if (!found.has(kind)) found.set(kind, new Set());
    found.get(kind).add(value);
  }
  for (const [kind, values] of found) found.set(kind, [...values].sort((a, b) => (isNaN(a) || isNaN(b) ? (a < b ? -1 : 1) : a - b)));
  return found;
}
// Choices numbered by stage or layer become a strip: one column a stage, one row a kind of choice.
function stripOf(stages, kinds, whole) {
  const known = ranges(), wide = 600 / stages.length, tall = 22, svg = canvas(660, 24 + tall * kinds.length, "the stages");
  stages.forEach(([number, values], column) => {
    draw(svg, "text", { x: 56 + (column + 0.5) * wide, y: 12, "text-anchor": "middle" }, number);
    kinds.forEach((kind, row) => {
      const value = values.get(kind);
      if (value === undefined) return;
      const among = known.get(kind) ?? [], place = among.length > 1 ? among.indexOf(value) / (among.length - 1) : 0.5;
      const box = draw(svg, "rect", { class: "stage", x: 56 + column * wide, y: 18 + row * tall, width: wide - 1, height: tall - 1, rx: 3, fill: COLOURS[row % COLOURS.length], "fill-opacity": 0.15 + 0.7 * place });
      draw(box, "title", {}, `${kind}${number} = ${value}`);
      draw(svg, "text", { class: "name", x: 56 + (column + 0.5) * wide, y: 33 + row * tall, "text-anchor": "middle" }, value.slice(0, Math.max(2, Math.floor(wide / 7))));
    });
  });
  kinds.forEach((kind, row) => draw(svg, "text", { x: 0, y: 33 + row * tall }, kind.slice(0, 9)));
  const rest = make("p", whole.map(([name, value]) => `${name} = ${value}`).join(", "), "note");
  return [svg, rest];
}
function drawing(arch) {
  const cell = edges(arch);
  if (cell.length && cell.every(([op, a, b]) => op && Number.isInteger(a) && a >= 0 && a < b)) return [cellOf(cell)];
  const list = pairs(arch), stages = new Map(), kinds = [], whole = [];
  for (const [name, value] of list) {
    const part = /^(.*?\D)_?(\d+)$/.exec(name);
    if (!part) { whole.push([name, value]); continue; }
    const kind = part[1].replace(/_$/, "");
    if (!kinds.includes(kind)) kinds.push(kind);
    if (!stages.has(part[2])) stages.set(part[2], new Map());
    stages.get(part[2]).set(kind, value);
  }
  if (stages.size >= 2) return stripOf([...stages].sort((a, b) => a[0] - b[0]), kinds, whole);
  const plain = make("table");
  table(plain, ["choice", "value"], list, []);
  return [plain];
}
function link(arch, text) {
  const node = make(networks.has(arch) ? "a" : "span");
  node.append(text === undefined ? make("code", arch) : text);
  if (networks.has(arch)) node.addEventListener("click", () => inspect(arch));
  return node;
}
function inspect(arch) {
  const n = networks.get(arch);
  if (!n) return;
  chosen = arch;
  if (n.generation > Number($("generation").value)) $("generation").value = n.generation;
  $("drawing").replaceChildren(...drawing(arch));
  const list = $("network");
  list.replaceChildren();
  const add = (name, ...values) => {
    const place = make("dd");
    values.forEach((v) => { const line = make("div"); line.append(v instanceof Node ? v : String(v)); place.append(line); });
    if (values.length) list.append(make("dt", name), place);
  };
  add("text", make("code", n.arch));
  add("trained", `niche ${n.niche}, generation ${n.generation}`);
  add(run.metric.name, `${held(n.value)} validation` + (n.test === null ? "" : `, ${held(n.test)} test`));
  add("latency", ms(n.latency_ms) + (n.high_ms > n.low_ms ? `, sessions ${ms(n.low_ms)} to ${ms(n.high_ms)}` : ""));
  add("made by", [n.origin, n.operator].filter(Boolean).join(", ") || "unknown");
  if (n.reason) add("because", n.reason);
  add("parents", ...n.parents.map((p) => link(p)));
  const known = new Map(run.claims.map((c) => [c.id, c.statement]));
  add("claims shown", ...n.claims.map((id) => known.get(id) ?? id));
  if (n.verdict) add("verdict", n.verdict);
  showFront();
}

function showChoice() {
  const front = claimed(), at = Number($("limit").value) / 1000;
  if (!front.length) return;
  const low = front[0].latency_ms, high = front.at(-1).latency_ms, limit = low * (high / low) ** at;
  $("limit-ms").textContent = ms(limit);
  const best = frontOf(front).filter((n) => n.latency_ms <= limit * (1 + 1e-9)).at(-1);
  const told = (n) => ` ${held(n.value)} in ${ms(n.latency_ms)}`;
  if (best) $("within").replaceChildren("best: ", link(best.arch), told(best));
  const knee = networks.get(run.knee);
  if (knee) $("knee").replaceChildren("knee of the front: ", link(knee.arch), told(knee));
  table("steps", ["from", "to", "ms more", "error less", "a ms"], run.steps.map((s) => {
    const fast = networks.get(s.arch), slow = networks.get(s.slower);
    return [fast ? link(s.arch, ms(fast.latency_ms)) : "", slow ? link(s.slower, ms(slow.latency_ms)) : "", s.extra_ms.toPrecision(3), fixed(s.less_error, 3), s.extra_ms ? (s.less_error / s.extra_ms).toPrecision(3) : "–"];
  }), [0, 1, 2, 3, 4]);
  $("baselines-title").hidden = !run.baselines.length;
  const names = [...new Set(run.baselines.flatMap((b) => Object.keys(b)))];
  table("baselines", run.baselines.length ? names : [], run.baselines.map((b) => names.map((name) => (typeof b[name] === "number" ? Number(b[name].toPrecision(5)) : String(b[name] ?? "–")))), []);
}

function showCoverage() {
  const svg = $("coverage"), rows = run.niches.length, columns = 1 + Math.max(0, ...run.networks.map((n) => n.generation));
  svg.replaceChildren();
  const width = 560 / columns, height = 220 / Math.max(1, rows), counts = run.niches.map(() => new Array(columns).fill(0));
  for (const n of run.networks) {
    const row = run.niches.findIndex((one) => one.id === n.niche);
    if (row >= 0) counts[row][n.generation] += 1;
  }
  const most = Math.max(1, ...counts.flat());
  counts.forEach((line, i) => {
    draw(svg, "text", { class: "name", x: 4, y: 14 + (i + 0.6) * height }, run.niches[i].id.slice(0, 8));
    line.forEach((n, g) => {
      const cell = draw(svg, "rect", { x: 60 + g * width, y: 10 + i * height, width: Math.max(0.5, width - 2), height: height - 2, fill: colour(run.niches[i].id), "fill-opacity": n ? 0.2 + (0.8 * n) / most : 0.04 });
      draw(cell, "title", {}, `${run.niches[i].id}, generation ${g}: ${n} networks`);
      if (n && width > 18) draw(svg, "text", { class: "name", x: 59 + (g + 0.5) * width, y: 14 + (i + 0.5) * height, "text-anchor": "middle" }, n);
    });
  });
  draw(svg, "text", { x: 620, y: 250, "text-anchor": "end" }, `networks trained, generation 0 to ${columns - 1}`);
  const final = claimed();
  table("niches", ["niche", "rule", "trained", "on front"], run.niches.map((n) => [n.id, n.rule,
    run.networks.filter((one) => one.niche === n.id).length, final.filter((one) => one.niche === n.id).length]), [2, 3]);
}

const nameOf = (r) => `${r.space}/${r.task} on ${r.device}, ${r.model}, seed ${r.seed}`;
// (trainings, share) of a run: by truth where it is known, else by the run's own figures, of their last value.
function lineOf(r, byTruth) {
  if (byTruth) return Object.entries(r.hv_at).map(([n, hv]) => [Number(n), hv]).concat([[r.trainings, r.figures.hv]]).sort((a, b) => a[0] - b[0]);
  return r.volumes.map((v, g) => [r.generations[g]?.trainings ?? g, v / (r.volumes.at(-1) || 1)]);
}
function showConvergence() {
  const svg = $("convergence"), box = { left: 52, right: 628, top: 22, bottom: 250 }, byTruth = runs.every((r) => Object.keys(r.hv_at).length && r.figures.hv !== undefined);
  svg.replaceChildren();
  const lines = runs.map((r) => lineOf(r, byTruth)), all = lines.flat(), longest = Math.max(2, ...all.map((p) => p[0]));
  const low = Math.min(1, ...all.map((p) => p[1])) - 0.01, high = Math.max(byTruth ? 0 : 1, ...all.map((p) => p[1])) + 0.005;
  const x = scale(0, longest, box.left, box.right, false), y = scale(low, high, box.bottom, box.top + 10, false);
  axes(svg, box, x, y, ticks(0, longest, false), ticks(low, high, false), ["trainings", byTruth ? "share of the reference front" : "share of the final hypervolume"]);
  lines.forEach((line, i) => {
    if (!line.length) return;
    draw(svg, "path", { fill: "none", stroke: COLOURS[i % COLOURS.length], "stroke-width": runs[i] === run ? 3 : 1.4, d: line.map(([n, v], k) => `${k ? "L" : "M"}${x(n)} ${y(v)}`).join("") });
    for (const [n, v] of line) draw(draw(svg, "circle", { cx: x(n), cy: y(v), r: 3, fill: COLOURS[i % COLOURS.length] }), "title", {}, `${n} trainings: ${fixed(v, 4)}`);
  });
  $("convergence-note").textContent = byTruth ? "Scored by truth after the search." : "By the run's own measurements: no truth is known here.";
  $("lines").replaceChildren(...(runs.length < 2 ? [] : runs.map((r, i) => {
    const item = make("li", nameOf(r));
    item.style.setProperty("--colour", COLOURS[i % COLOURS.length]);
    item.classList.toggle("chosen", r === run);
    return item;
  })));
}

function showGenerations() {
  $("generations").replaceChildren(...run.generations.flatMap((g) => {
    const head = make("h3", `generation ${g.generation}: ${g.trained} trained, ${fixed(g.trainings, 0)} trainings so far` +
      (g.rejected ? `, ${g.rejected} proposals rejected` : "") + (g.failed ? `, ${g.failed} failed` : ""));
    const slots = g.why.map((slot) => {
      const line = make("p");
      const gain = slot.gain === null ? "" : `, expected gain ${Number(slot.gain).toPrecision(3)}`;
      line.append(`${slot.niche}: `, link(slot.arch, make("code", slot.arch.length > 60 ? `${slot.arch.slice(0, 59)}…` : slot.arch)), ` ${slot.reason || slot.origin}${gain}`);
      return line;
    });
    return [head, ...slots, ...g.claims.map((text) => make("p", `claim: ${text}`))];
  }));
}
function showClaims() {
  table("claims", ["claim", "status", "for", "against", "effect [90 %]", "networks", "since"], run.claims.map((c) => {
    const e = c.evidence;
    return [c.statement, c.status, e ? e.n_for : "–", e ? e.n_against : "–", e && (e.n_for || e.n_against) ? `${signed(e.mean_effect, 3)} [${fixed(e.low, 3)}, ${fixed(e.high, 3)}]` : "–", e ? e.archs : "–", c.generation];
  }), [2, 3, 4, 5, 6]);
}
function showRest() {
  $("title").textContent = `${run.space}/${run.task} on ${run.device}`;
  $("about").textContent = `${run.run}; ${run.model}, seed ${run.seed}; protocol ${run.protocol}${run.protocol === 1 ? ": accuracies predicted, not for comparison with trained ones" : ""}; data: ${run.data_source}${run.reference ? `; reference: ${run.reference}` : ""}`;
  const titles = { hv: "hv", igd_plus: "IGD+", optimism: "optimism", hv_baselines: "hv of baselines", speedup_at_equal_accuracy: "x faster at equal accuracy", gain_at_equal_latency_pct: "% better at equal latency" };
  const entries = [["trainings", run.trainings + (run.reused ? ` + ${run.reused} reused` : "")],
    ...Object.entries(run.hv_at).map(([n, hv]) => [`hv at ${n}`, fixed(hv, 3)]),
    ...Object.entries(run.figures).map(([name, value]) => [titles[name] ?? name, fixed(value, name === "igd_plus" ? 4 : 3)])];
  $("figures").replaceChildren(...entries.map(([name, value]) => { const box = make("div"); box.append(make("b", value), make("span", name)); return box; }));
  $("notes").replaceChildren(...run.notes.filter(Boolean).map((line) => make("li", line)),
    ...run.sources.map((s) => make("li", `${s.source} ${s.kept ? "believed" : "dropped"}: ${s.reason}`)));
  $("failed").hidden = !run.failures.length;
  $("failures").replaceChildren(...run.failures.map((line) => make("li", line)));
  table("sources", ["origin", "made", "valid", "repaired", "seen before", "rejected", "trained"], Object.entries(run.proposals).map(([name, p]) =>
    [name, p.raw, share(p.valid, p.raw), p.repaired, p.duplicate, p.rejected, p.novel]), [1, 2, 3, 4, 5, 6]);
  const c = run.cost, usd = c.usd === null ? "unknown price" : `${fixed(c.usd, 4)} USD`;
  table("cost", ["", ""], [["model calls", `${c.calls}, ${c.tokens_in} + ${c.tokens_out} tokens, ${usd}`],
    ...Object.entries(run.seconds).map(([part, s]) => [`${part}, s`, fixed(s, 1)]),
    ["versions", Object.entries(run.versions).map(([name, v]) => `${name} ${v}`).join(", ")]], [1]);
}

function show(next) {
  run = next;
  networks = new Map(run.networks.map((n) => [n.arch, n]));
  const last = Math.max(0, ...run.networks.map((n) => n.generation));
  $("generation").max = last;
  $("generation").value = last;
  $("limit").value = 500;
  showRest(); showChoice(); showCoverage(); showConvergence(); showGenerations(); showClaims();
  chosen = null;
  inspect(run.knee);
  showFront();
}
$("run").replaceChildren(...runs.map((r, i) => { const option = make("option", nameOf(r)); option.value = i; return option; }));
document.querySelector(".pick").hidden = runs.length < 2;
$("run").addEventListener("change", (event) => show(runs[event.target.value]));
$("generation").addEventListener("input", showFront);
$("limit").addEventListener("input", showChoice);
$("play").addEventListener("click", () => {
  if (timer) { clearInterval(timer); timer = null; $("play").textContent = "play"; return; }
  $("play").textContent = "stop";
  let at = 0;
  timer = setInterval(() => {
    $("generation").value = at;
    showFront();
    if (at++ >= Number($("generation").max)) $("play").click();
  }, 600);
});
show(run);
document.documentElement.dataset.ready = "yes";
