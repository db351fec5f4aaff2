"use strict";
// The page of a generator that makes a picture from a picture: drop one in, see both, keep the new one. Where the generator
// fills holes, a brush paints them.

class PictureView {
  constructor(generator) {
    this.generator = generator;
    this.limit = SETTINGS.source.limit;
    this.busy = Promise.resolve();
  }

  parts() {
    this.file = element("input", { id: "file", type: "file", accept: "image/*" });
    this.file.onchange = () => this.file.files[0] && this.take(this.file.files[0]);
    this.before = element("canvas", { id: "before", role: "img" });
    this.image = element("canvas", { id: "image", role: "img" });
    this.before.setAttribute("aria-label", "Your picture");
    this.image.setAttribute("aria-label", "What the generator makes of it");
    const drop = element("section", { className: "drop", id: "drop" },
      labelled("Drop a picture here, paste it, or choose a file", this.file),
      element("small", { id: "hint" }, this.advice()));
    drop.ondragover = (event) => event.preventDefault();
    drop.ondrop = (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    };
    document.addEventListener("paste", (event) => {
      const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
      if (file) this.take(file);
    });
    const keep = element("button", { id: "save", className: "main", onclick: () => save(this.image, "made.png") }, "Save PNG");
    this.bar = element("div", { className: "bar" }, this.sizes(), keep);
    if (SETTINGS.source.hole) this.addBrush();
    this.pair = element("section", { className: "pair", hidden: true }, this.before, this.image);
    return [drop, this.bar, this.pair];
  }

  advice() {
    const { hole, channels, scale } = SETTINGS.source;
    if (hole) return "Then paint over what is to be filled.";
    return `${channels === 1 ? "Colours become grey first. " : ""}${scale > 1 ? `It becomes ${scale} times as large. ` : ""}`;
  }

  sizes() {
    const select = element("select", { id: "limit" });
    for (const limit of new Set([this.limit, 64, 128, 256, 512, 1024])) {
      if (limit <= 1024 / SETTINGS.source.scale) select.append(element("option", { value: limit }, `${limit} pixels`));
    }
    select.value = this.limit;
    select.onchange = () => {
      this.limit = Number(select.value);
      if (this.bitmap) this.place(this.bitmap);
    };
    return labelled("Longer side at most", select);
  }

  addBrush() {
    this.brush = element("input", { id: "brush", type: "range", min: 1, max: 100, value: 30 });
    const clear = element("button", { id: "clear", onclick: () => this.place(this.bitmap) }, "Clear the paint");
    this.bar.append(labelled("Brush", this.brush), clear);
    this.before.onpointerdown = (event) => {
      this.before.setPointerCapture(event.pointerId);
      this.stroke(event);
    };
    this.before.onpointermove = (event) => event.buttons && this.stroke(event);
    this.before.onpointerup = () => this.make();
  }

  ready() {}

  async take(file) {
    try {
      this.bitmap = await createImageBitmap(file);
    } catch {
      return complain(new Error(`${file.name} is no picture that this browser can read`));
    }
    return this.place(this.bitmap);
  }

  /** Bring the picture to its size and make the new one. */
  place(bitmap) {
    if (!bitmap) return null;
    const share = Math.min(1, this.limit / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * share)));
    Object.assign(this.before, { width, height });
    this.pen = this.before.getContext("2d", { willReadFrequently: true });
    this.pen.fillStyle = "white";
    this.pen.fillRect(0, 0, width, height);
    this.pen.imageSmoothingQuality = "high";
    this.pen.drawImage(bitmap, 0, 0, width, height);
    this.hole = new Uint8Array(width * height);
    this.pair.hidden = false;
    return this.make();
  }

  /** Paint a round hole where the pointer is. */
  stroke(event) {
    const box = this.before.getBoundingClientRect();
    const scale = this.before.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const radius = Math.max(1, (Number(this.brush.value) / 200) * Math.min(this.before.width, this.before.height));
    const { width, height } = this.before;
    for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(height, y + radius); row++) {
      for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(width, x + radius); column++) {
        if ((row - y) ** 2 + (column - x) ** 2 <= radius ** 2) this.hole[row * width + column] = 1;
      }
    }
    this.pen.fillStyle = "rgb(128 128 128)";
    this.pen.beginPath();
    this.pen.arc(x, y, radius, 0, 2 * Math.PI);
    this.pen.fill();
  }

  /** Make the new picture, after what is being made. */
  make() {
    this.busy = this.busy.then(async () => {
      const [source, shape] = this.source();
      const outputs = await this.generator.run(1, { source: [source, shape] });
      paint(this.image, outputs[SETTINGS.makes]);
      // What was added to reach a multiple is cut off again.
      const cut = this.image.getContext("2d").getImageData(0, 0, this.before.width * SETTINGS.source.scale, this.before.height * SETTINGS.source.scale);
      Object.assign(this.image, { width: cut.width, height: cut.height });
      this.image.getContext("2d").putImageData(cut, 0, 0);
      showSpeed(this.generator);
    }).catch(complain);
    return this.busy;
  }

  /** The picture as the generator takes it, [1, C, H, W] in [-1, 1], its last pixels repeated up to a multiple. */
  source() {
    const { channels, multiple, hole, fixed } = SETTINGS.source;
    const { width, height } = this.before;
    const [columns, rows] = fixed ?? [width, height].map((side) => Math.ceil(side / multiple) * multiple);
    const { data } = this.pen.getImageData(0, 0, width, height);
    const colours = hole ? channels - 1 : channels;
    const values = new Float32Array(channels * rows * columns);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const from = Math.min(row, height - 1) * width + Math.min(column, width - 1);
        const pixel = data.subarray(4 * from, 4 * from + 3);
        const grey = Math.round(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]);
        for (let channel = 0; channel < colours; channel++) {
          const value = this.hole[from] ? 128 : colours === 1 ? grey : pixel[channel];
          values[(channel * rows + row) * columns + column] = value / 127.5 - 1;
        }
        if (hole) values[(colours * rows + row) * columns + column] = this.hole[from] ? -1 : 1;
      }
    }
    return [values, [1, channels, rows, columns]];
  }
}
