// The compute worker: loads its module on the first message and answers every message in turn.
import init, { handle } from "./compute.js";

const ready = init();
self.onmessage = (event) => {
  ready.then(() => handle(event.data)).catch((error) => {
    // A panic has already been printed; the page restarts the worker.
    setTimeout(() => { throw error; });
  });
};
