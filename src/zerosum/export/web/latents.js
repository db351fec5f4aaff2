"use strict";
// The page of a generator that makes samples of chance: seed, class, truncation, directions, ways from seed to seed, a sheet.

const CELLS = 24;
const AT_ONCE = 8; // samples of the sheet in one call
const SECONDS_A_WAY = 2; // from one seed to the next

class LatentView {
  constructor(generator) {
    this.generator = generator;
    this.seed = 0;
    this.truncation = SETTINGS.truncation ? SETTINGS.truncation.start : null;
    this.label = SETTINGS.label?.classes ? 0 : (SETTINGS.label?.columns ?? []).map((column) => column.mean);
    this.strengths = SETTINGS.directions.map(() => 0);
    this.sheet = "seeds";
    this.first = 0; // seed of the sheet's first cell
    this.playing = false;
    this.turn = 0; // of the sheet; one that is overtaken stops
    this.styles = new Map();
  }

  // What is shown.

  parts() {
    this.image = element("canvas", { id: "image", role: "img" });
    this.number = element("input", { id: "seed", type: "number", min: 0, step: 1, value: 0, inputMode: "numeric" });
    this.number.onchange = () => this.show(Number(this.number.value) || 0);
    this.play = element("button", { id: "play", onclick: () => this.toggle() }, "Play");
    this.play.setAttribute("aria-pressed", "false");
    const bar = element("div", { className: "bar" },
      element("button", { id: "new", className: "main", title: "key n", onclick: () => this.surprise() }, "New sample"),
      this.play,
      element("button", { id: "save", onclick: () => save(this.image, `${this.seed}.png`) }, "Save PNG"));
    const stage = element("section", { className: "stage" }, this.image, bar);
    stage.setAttribute("aria-label", "Sample");
    document.addEventListener("keydown", (event) => this.press(event));
    return [stage, this.panel(), this.gallery()];
  }

  panel() {
    const panel = element("section", { className: "panel" }, labelled("Seed", this.number, "the same as in `zerosum sample`"));
    panel.setAttribute("aria-label", "Controls");
    if (SETTINGS.label?.classes) panel.append(this.classes());
    (SETTINGS.label?.columns ?? []).forEach((column, i) => panel.append(this.column(column, i)));
    if (this.truncation !== null) panel.append(this.truncating());
    if (SETTINGS.directions.length) panel.append(this.directing());
    return panel;
  }

  classes() {
    const select = element("select", { id: "class" });
    SETTINGS.label.classes.forEach((name, i) => select.append(element("option", { value: i }, name)));
    select.onchange = () => this.change({ label: Number(select.value) });
    this.select = select;
    return labelled("Class", select);
  }

  column(column, i) {
    const [low, high] = column.scale === 1 && column.mean === 0 ? [0, 1] : [column.mean - 2 * column.scale, column.mean + 2 * column.scale];
    return slider(`column${i}`, column.name, low, high, (high - low) / 100, column.mean, (value) => value.toPrecision(3), (value) => {
      this.label[i] = value;
      this.change({});
    });
  }

  truncating() {
    const { min, max, step, off, start } = SETTINGS.truncation;
    const said = (value) => (value >= max && off !== null ? "off" : value.toFixed(2));
    return slider("truncation", "Truncation", min, max, step, off === null ? start : max, said, (value) => {
      this.change({ truncation: value >= max && off !== null ? off : value });
    }, "less: better and more alike");
  }

  directing() {
    const box = element("details", { id: "directions", open: true }, element("summary", {}, "Directions"));
    SETTINGS.directions.forEach(({ name }, i) => {
      box.append(slider(`direction${i}`, name, -3, 3, 0.1, 0, (value) => value.toFixed(1), (value) => {
        this.strengths[i] = value;
        this.change({});
      }));
    });
    const reset = element("button", { id: "reset" }, "Reset directions");
    reset.onclick = () => {
      for (const input of box.querySelectorAll("input")) {
        input.value = 0;
        input.oninput();
      }
    };
    box.append(reset);
    return box;
  }

  gallery() {
    this.cells = element("div", { className: "cells" });
    const kind = element("select", { id: "sheet" }, element("option", { value: "seeds" }, "Other seeds"));
    if (SETTINGS.label?.classes) kind.append(element("option", { value: "classes" }, "Every class of this seed"));
    kind.setAttribute("aria-label", "What the sheet shows");
    kind.onchange = () => this.change({ sheet: kind.value });
    const more = element("button", { id: "more", onclick: () => this.change({ first: this.first + CELLS }) }, "More");
    const keep = element("button", { id: "savesheet", onclick: () => save(this.whole(), "sheet.png") }, "Save sheet");
    const gallery = element("section", { className: "gallery" }, element("div", { className: "bar" }, kind, more, keep), this.cells);
    gallery.setAttribute("aria-label", "Sheet");
    return gallery;
  }

  // What happens.

  ready() {
    return this.change({});
  }

  /** Take over changed settings and show what follows from them. */
  async change(settings) {
    Object.assign(this, settings);
    try {
      if (!this.playing) await this.frame(0);
      await this.drawSheet();
    } catch (error) {
      complain(error);
    }
  }

  /** Show the sample of a seed. */
  show(seed) {
    this.seed = Math.min(Math.max(0, Math.floor(seed)), Number.MAX_SAFE_INTEGER);
    this.number.value = this.seed;
    const inside = this.seed >= this.first && this.seed < this.first + CELLS;
    return this.change({ first: inside ? this.first : this.seed });
  }

  surprise() {
    return this.show(Math.floor(Math.random() * 2 ** 31));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    if (event.key === "n") this.surprise();
    if (event.key === "p") this.toggle();
  }

  /** Start or stop the way from seed to seed. */
  async toggle() {
    this.playing = !this.playing;
    this.play.textContent = this.playing ? "Stop" : "Play";
    this.play.setAttribute("aria-pressed", String(this.playing));
    let began = performance.now();
    while (this.playing) {
      let share = (performance.now() - began) / 1000 / SECONDS_A_WAY;
      if (share >= 1) {
        began = performance.now();
        share = 0;
        this.number.value = ++this.seed;
      }
      await this.frame(share);
      await new Promise(requestAnimationFrame);
    }
    await this.frame(0);
  }

  /** Draw the picture that lies a share of the way from this seed to the next. */
  async frame(share) {
    const outputs = await this.run([{ seed: this.seed, label: this.label, share }]);
    paint(this.image, outputs[SETTINGS.makes]);
    const label = SETTINGS.label?.classes?.[this.label];
    this.image.setAttribute("aria-label", `Sample of seed ${this.seed}${label === undefined ? "" : `, class ${label}`}`);
    showSpeed(this.generator);
  }

  async drawSheet() {
    const turn = ++this.turn;
    const wanted = this.sheet === "classes"
      ? SETTINGS.label.classes.map((name, label) => ({ seed: this.seed, label, name: `Class ${name}` }))
      : Array.from({ length: CELLS }, (_, i) => ({ seed: this.first + i, label: this.label, name: `Seed ${this.first + i}` }));
    while (this.cells.childElementCount > wanted.length) this.cells.lastChild.remove();
    while (this.cells.childElementCount < wanted.length) this.cells.append(element("button", { className: "cell" }, element("canvas")));
    for (let from = 0; from < wanted.length; from += AT_ONCE) {
      const some = wanted.slice(from, from + AT_ONCE);
      const outputs = await this.run(some);
      if (turn !== this.turn) return;
      some.forEach((one, i) => this.fill(this.cells.children[from + i], one, outputs[SETTINGS.makes], i));
    }
  }

  fill(cell, one, output, i) {
    paint(cell.firstChild, output, i);
    cell.title = one.name;
    cell.setAttribute("aria-label", one.name);
    cell.onclick = () => {
      if (this.select) this.select.value = this.label = one.label;
      this.show(one.seed);
    };
  }

  /** The sheet as one canvas. */
  whole() {
    const canvases = [...this.cells.querySelectorAll("canvas")];
    const [width, height, columns, gap] = [canvases[0].width, canvases[0].height, Math.min(8, canvases.length), 2];
    const rows = Math.ceil(canvases.length / columns);
    const sheet = element("canvas", { width: columns * (width + gap) + gap, height: rows * (height + gap) + gap });
    const pen = sheet.getContext("2d");
    pen.fillStyle = "white";
    pen.fillRect(0, 0, sheet.width, sheet.height);
    canvases.forEach((canvas, i) => {
      pen.drawImage(canvas, gap + (i % columns) * (width + gap), gap + Math.floor(i / columns) * (height + gap));
    });
    return sheet;
  }

  // What the generator is given.

  /** Outputs for samples {seed, label, share}: share of the way to the next seed, 0 if there is none. */
  async run(samples) {
    const n = samples.length;
    const inputs = await this.inputsOf(samples);
    return this.generator.run(n, Object.fromEntries(SETTINGS.inputs.map(({ name, shape }) => (
      [name, [inputs[name], shape.map((length) => (length === "N" ? n : length))]]
    ))));
  }

  async inputsOf(samples) {
    const { latent, noise } = SETTINGS.draws;
    const rows = samples.map(({ seed, share }) => {
      const [start, details] = drawn(seed, latent, noise);
      if (!share) return [start, details];
      const [end, others] = drawn(seed + 1, latent, noise);
      // Mapped latents are walked straight, by the shift: their space is made for it.
      return [SETTINGS.mapped ? start : blended(start, end, share, latent), blended(details, others, share, noise)];
    });
    return {
      latent: joined(rows.map(([row]) => row)),
      noise: joined(rows.map(([, row]) => row)),
      label: joined(samples.map(({ label }) => encoded(label))),
      truncation: Float32Array.of(this.truncation ?? 0),
      shift: joined(await Promise.all(samples.map((sample) => this.shiftOf(sample)))),
    };
  }

  /** What is added to a latent: directions, and on a way between mapped latents the part that is gone. */
  async shiftOf({ seed, label, share }) {
    const shift = new Float32Array(size(SETTINGS.shift));
    SETTINGS.directions.forEach(({ vector }, i) => {
      if (this.strengths[i]) vector.forEach((value, place) => (shift[place] += this.strengths[i] * value));
    });
    if (share && SETTINGS.mapped) {
      const [start, end] = [await this.styleOf(seed, label), await this.styleOf(seed + 1, label)];
      for (let i = 0; i < shift.length; i++) shift[i] += share * this.truncation * (end[i] - start[i]);
    }
    return shift;
  }

  /** The mapped latent of a seed. */
  async styleOf(seed, label) {
    const key = `${seed} ${label}`;
    if (!this.styles.has(key)) {
      if (this.styles.size > 64) this.styles.clear();
      this.styles.set(key, (await this.run([{ seed, label, share: 0 }])).style.data);
    }
    return this.styles.get(key);
  }
}

/** A label as the generator takes it: 1 at the class, or scaled columns; nothing if there are none. */
function encoded(label) {
  if (SETTINGS.label?.classes) return Float32Array.from(SETTINGS.label.classes, (_, i) => Number(i === label));
  return Float32Array.from(SETTINGS.label?.columns ?? [], ({ mean, scale }, i) => (label[i] - mean) / scale);
}

function labelled(text, control, hint = "") {
  const caption = element("span", {}, text);
  if (hint) caption.append(" ", element("small", {}, hint));
  return element("label", { className: "field" }, caption, control);
}

/** A slider with its value beside its name. */
function slider(id, text, min, max, step, value, said, changed, hint = "") {
  const input = element("input", { id, type: "range", min, max, step });
  const shown = element("output", { htmlFor: id });
  input.value = value;
  shown.value = said(value);
  input.oninput = () => {
    shown.value = said(Number(input.value));
    changed(Number(input.value));
  };
  const caption = element("span", {}, text, " ", element("small", {}, hint), shown);
  return element("label", { className: "field", htmlFor: id }, caption, input);
}
