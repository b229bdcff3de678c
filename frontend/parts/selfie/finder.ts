/** A worker of its own: finds faces in small frames, so that the page never waits for it. */
import weights from "./yunet.bin?url";
import { type Found, YuNet } from "./yunet";

export type FinderAnswer = { faces: Found[]; took_ms: number } | { broken: true };

const network = fetch(weights).then(async (answer) => {
  if (!answer.ok) throw new Error(`the weights answer ${answer.status}`);
  return new YuNet(await answer.arrayBuffer());
});

self.addEventListener("message", (event: MessageEvent<ArrayBuffer>) => {
  const tell = (answer: FinderAnswer): void => self.postMessage(answer);
  network.then(
    (ready) => {
      const began_ms = performance.now();
      const faces = ready.find(new Uint8ClampedArray(event.data));
      tell({ faces, took_ms: performance.now() - began_ms });
    },
    () => tell({ broken: true }),
  );
});
