/** One file to the server by the tus protocol, and what became of it. Loaded when the first file is to be sent. */
import { DetailedError, Upload } from "tus-js-client";
import { detailOf } from "../parts/ask";

export type Outcome =
  /** `id`: the photo that it is, where that is the sender's to know. */
  | { kind: "added" | "duplicate"; id: string | null }
  | { kind: "refused"; reason: string }
  /** Not this one, for want of room; smaller ones may still fit. */
  | { kind: "full"; reason: string }
  | { kind: "signed-out" }
  /** Nothing more of the queue gets in: no longer invited, event closed. */
  | { kind: "stop"; reason: string }
  /** Busy, restarting or out of reach: worth trying for as long as it takes. */
  | { kind: "away"; after_ms: number }
  /** The server stumbled over this file. */
  | { kind: "stumbled" }
  /** It was stopped from here. */
  | { kind: "stopped" };

export interface Delivery {
  /** The upload's address, where one is known: it then goes on from where it ended. */
  resumeAt: string | null;
  onAddress: (url: string) => void;
  onProgress: (sent_bytes: number) => void;
  /** Gives a way to stop it; what the server has by then stays there. */
  onStart: (stop: () => void) => void;
}

// A small file goes with the request that announces it; a larger one gets its address first, to go on from if it breaks off.
const WHOLE_BYTES = 4 * 1024 * 1024;
const STEP_BYTES = 16 * 1024 * 1024;
const AWAY = new Set([408, 409, 423, 425, 429, 502, 503, 504]);

export function deliver(endpoint: string, file: File, delivery: Delivery): Promise<Outcome> {
  return new Promise((resolve) => {
    let isStopped = false;
    const upload = new Upload(file, {
      endpoint: new URL(endpoint, location.href).href,
      ...(delivery.resumeAt ? { uploadUrl: delivery.resumeAt } : {}),
      metadata: { filename: file.name, modified: String(file.lastModified) },
      headers: { Accept: "application/json" },
      chunkSize: STEP_BYTES,
      uploadDataDuringCreation: file.size <= WHOLE_BYTES,
      // When to try again, and where to go on, is for the queue to say.
      retryDelays: null,
      storeFingerprintForResuming: false,
      onUploadUrlAvailable: () => upload.url && delivery.onAddress(upload.url),
      onProgress: (sent_bytes) => delivery.onProgress(sent_bytes),
      onSuccess: ({ lastResponse }) => {
        const kind = lastResponse.getHeader("Trouvaille-Result") === "duplicate" ? "duplicate" : "added";
        resolve({ kind, id: lastResponse.getHeader("Trouvaille-Photo") ?? null });
      },
      onError: (error) => resolve(outcomeOf(error, endpoint)),
      onBeforeRequest: () => {
        // The library forgets an abort that comes before its first request.
        if (isStopped) throw new Error("stopped");
      },
    });
    delivery.onStart(() => {
      isStopped = true;
      void upload.abort();
      resolve({ kind: "stopped" });
    });
    if (!isStopped) upload.start();
  });
}

function outcomeOf(error: Error | DetailedError, endpoint: string): Outcome {
  if (!(error instanceof DetailedError)) return { kind: "stumbled" };
  const answer = error.originalResponse;
  if (!answer) return { kind: "away", after_ms: 0 };
  const status = answer.getStatus();
  // An upload that the server has forgotten is begun anew; an event that it doesn't know is the end.
  const atUpload = new URL(error.originalRequest.getURL(), location.href).pathname !== endpoint;
  if (atUpload && (status === 404 || status === 410)) return { kind: "stumbled" };
  return meaningOf(status, answer.getBody(), Number(answer.getHeader("Retry-After") ?? 0) * 1000 || 0);
}

function meaningOf(status: number, body: string, after_ms: number): Outcome {
  const reason = detailOf(body);
  if (codeOf(body) === "quota_reached") return { kind: "full", reason };
  if (codeOf(body) === "archived") return { kind: "stop", reason };
  if (AWAY.has(status)) return { kind: "away", after_ms };
  if (status === 401) return { kind: "signed-out" };
  if (status === 403 || status === 404) return { kind: "stop", reason };
  return status >= 500 ? { kind: "stumbled" } : { kind: "refused", reason };
}

function codeOf(body: string): string {
  try {
    return String((JSON.parse(body) as { code?: unknown }).code ?? "");
  } catch {
    return "";
  }
}
