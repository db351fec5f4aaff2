"use strict";
// The generator: the ONNX file in ONNX Runtime's WebAssembly build. Both lie in the page's own scripts as base64, because a
// page that is opened from a disk may not fetch files.

const parts = {};

/** Called by model.js and runtime.js: one more part of a file. */
function embed(name, part) {
  (parts[name] ??= []).push(part);
}

/** The bytes of an embedded file, which is forgotten then. */
function taken(name) {
  const texts = parts[name].map(atob);
  delete parts[name];
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length, 0));
  let place = 0;
  for (const text of texts) for (let i = 0; i < text.length; i++) bytes[place++] = text.charCodeAt(i);
  return bytes;
}

async function unzipped(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

class Generator {
  /** Start the runtime and load the file. */
  static async open() {
    const code = URL.createObjectURL(new Blob([taken("runtime.mjs")], { type: "text/javascript" }));
    const ort = await import(code);
    URL.revokeObjectURL(code);
    ort.env.wasm.numThreads = 1; // more need a server that isolates the page
    ort.env.wasm.wasmBinary = await unzipped(taken("runtime.wasm.gz"));
    const session = await ort.InferenceSession.create(taken("generator.onnx"), { executionProviders: ["wasm"] });
    return new Generator(ort, session);
  }

  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
    this.last = Promise.resolve();
    this.times = []; // milliseconds a sample, the newest last
  }

  /** Outputs by name for `n` samples of these inputs, name -> [values, shape]; one call after the other. */
  run(n, inputs) {
    const called = this.last.then(async () => {
      const feeds = {};
      for (const [name, [values, shape]] of Object.entries(inputs)) {
        feeds[name] = new this.ort.Tensor("float32", values, shape);
      }
      const start = performance.now();
      const outputs = await this.session.run(feeds);
      this.times = [...this.times.slice(-19), (performance.now() - start) / n];
      return outputs;
    });
    this.last = called.catch(() => {});
    return called;
  }

  /** The median time of the newest calls in milliseconds a sample. */
  get milliseconds() {
    return [...this.times].sort((a, b) => a - b)[this.times.length >> 1];
  }
}

/** Draw image `i` of an output [N, C, H, W] in [-1, 1] on a canvas, which takes its size. */
function paint(canvas, output, i = 0) {
  const [, channels, height, width] = output.dims;
  const area = height * width;
  const image = new ImageData(width, height);
  for (let place = 0; place < area; place++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = output.data[(i * channels + (channels === 1 ? 0 : channel)) * area + place];
      image.data[4 * place + channel] = Math.round((value + 1) * 127.5); // ImageData cuts off at 0 and 255
    }
    image.data[4 * place + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Let the visitor keep a canvas as a PNG file. */
function save(canvas, name) {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

/** An element with properties and children. */
function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}
