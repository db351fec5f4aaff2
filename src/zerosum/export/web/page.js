"use strict";
// Start: what the page shows is read from SETTINGS (settings.js).

const byId = (id) => document.getElementById(id);

async function start() {
  document.title = byId("title").textContent = SETTINGS.title;
  byId("about").textContent = SETTINGS.about;
  const generator = await Generator.open();
  const view = SETTINGS.source ? new PictureView(generator) : new LatentView(generator);
  byId("main").append(...view.parts());
  byId("main").hidden = false;
  await view.ready();
  byId("status").hidden = true;
  window.zerosum = { generator, view }; // for the curious, and for tests
}

/** Say what went wrong where the visitor sees it. */
function complain(error) {
  byId("status").hidden = false;
  byId("status").className = "problem";
  byId("status").textContent = `This did not work: ${error.message ?? error}`;
}

function showSpeed(generator) {
  byId("speed").textContent = `${generator.milliseconds.toPrecision(3)} milliseconds a sample.`;
}

start().catch(complain);
