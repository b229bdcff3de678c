/** One file to the server by the tus protocol, and what became of it. Loaded when the first file is to be sent. */
import { DetailedError, Upload } from "tus-js-client";
import { detailOf } from "./ask";

export type Outcome =
  | { kind: "added" | "duplicate" }
  | { kind: "refused"; reason: string }
  /** Nothing more of the queue gets in: signed out, no longer invited, event closed, quota used up. */
  | { kind: "stop"; reason: string }
  /** Busy, restarting or out of reach: worth trying for as long as it takes. */
  | { kind: "away"; after_ms: number }
  /** The server stumbled over this file. */
  | { kind: "stumbled" };

export interface Delivery {
  /** The upload's address, where one is known: it then goes on from where it ended. */
  resumeAt: string | null;
  onAddress: (url: string) => void;
  onProgress: (share: number) => void;
  /** Gives a way to stop it; what the server has by then stays there. */
  onStart: (stop: () => void) => void;
}

// A file that fits goes with the request that announces it; a larger one is told to the disk at every such step.
const STEP_BYTES = 16 * 1024 * 1024;
const AWAY = new Set([408, 409, 423, 425, 429, 502, 503, 504]);
const STOPS = new Set([401, 403, 404]);

export function deliver(endpoint: string, file: File, delivery: Delivery): Promise<Outcome> {
  return new Promise((resolve) => {
    const upload = new Upload(file, {
      endpoint: new URL(endpoint, location.href).href,
      ...(delivery.resumeAt ? { uploadUrl: delivery.resumeAt } : {}),
      metadata: { filename: file.name, modified: String(file.lastModified) },
      headers: { Accept: "application/json" },
      chunkSize: STEP_BYTES,
      uploadDataDuringCreation: file.size <= STEP_BYTES,
      // When to try again, and where to go on, is for the queue to say.
      retryDelays: null,
      storeFingerprintForResuming: false,
      onUploadUrlAvailable: () => upload.url && delivery.onAddress(upload.url),
      onProgress: (sent, total) => delivery.onProgress(total ? sent / total : 0),
      onSuccess: ({ lastResponse }) =>
        resolve({ kind: lastResponse.getHeader("Trouvaille-Result") === "duplicate" ? "duplicate" : "added" }),
      onError: (error) => resolve(outcomeOf(error, endpoint)),
    });
    delivery.onStart(() => void upload.abort());
    upload.start();
  });
}

function outcomeOf(error: Error | DetailedError, endpoint: string): Outcome {
  if (!(error instanceof DetailedError)) return { kind: "stumbled" };
  const answer = error.originalResponse;
  if (!answer) return { kind: "away", after_ms: 0 };
  const status = answer.getStatus();
  const reason = detailOf(answer.getBody());
  if (isQuota(answer.getBody())) return { kind: "stop", reason };
  if (AWAY.has(status)) return { kind: "away", after_ms: Number(answer.getHeader("Retry-After") ?? 0) * 1000 || 0 };
  // An upload that the server has forgotten is begun anew; an event that it doesn't know is the end.
  const atUpload = new URL(error.originalRequest.getURL(), location.href).pathname !== endpoint;
  if (atUpload && (status === 404 || status === 410)) return { kind: "stumbled" };
  if (STOPS.has(status)) return { kind: "stop", reason };
  return status >= 500 ? { kind: "stumbled" } : { kind: "refused", reason };
}

function isQuota(body: string): boolean {
  try {
    return /quota/i.test(String((JSON.parse(body) as { type?: unknown }).type ?? ""));
  } catch {
    return false;
  }
}

type Known = "yes" | "maybe" | "no";

// Hashing needs the whole file in memory.
const HASHED_BYTES = 200 * 1024 * 1024;

/**
 * Which of these files the event has already: those alike in name, size and date are hashed, and only the same bytes count.
 * Where that can't be told the file is sent, and the server compares.
 */
export async function known(endpoint: string, files: readonly File[]): Promise<boolean[]> {
  const alike = await ask(endpoint, files.map((file) => describe(file)));
  const here = files.map(() => false);
  const unsure = files.map((_, index) => index).filter((index) => alike[index] === "maybe");
  const hashed: { index: number; sha256: string }[] = [];
  // Two at a time, so that two photos at most are in memory.
  const hashNext = async (): Promise<void> => {
    for (let index = unsure.shift(); index !== undefined; index = unsure.shift()) {
      const sha256 = await hash(files[index] as File);
      if (sha256) hashed.push({ index, sha256 });
    }
  };
  await Promise.all([hashNext(), hashNext()]);
  const same = await ask(endpoint, hashed.map(({ index, sha256 }) => ({ ...describe(files[index] as File), sha256 })));
  hashed.forEach(({ index }, place) => (here[index] = same[place] === "yes"));
  return here;
}

function describe(file: File): { name: string; size: number; modified: number } {
  return { name: file.name, size: file.size, modified: file.lastModified };
}

async function ask(endpoint: string, files: readonly object[]): Promise<Known[]> {
  if (!files.length) return [];
  try {
    const answer = await fetch(`${endpoint}/known`, {
      method: "POST",
      body: JSON.stringify({ files }),
      headers: { "Content-Type": "application/json", Accept: "application/json" },
    });
    return answer.ok ? ((await answer.json()) as { files: { known: Known }[] }).files.map((file) => file.known) : [];
  } catch {
    return [];
  }
}

/** In hexadecimal digits; nothing where the browser can't (a page without HTTPS) or the file can't be read. */
async function hash(file: File): Promise<string> {
  if (!globalThis.crypto.subtle || file.size > HASHED_BYTES) return "";
  try {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    return "";
  }
}
