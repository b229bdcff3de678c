/** What the server is asked before anything is sent: what it has already, and how much more fits. */
import { detailOf, Problem } from "../parts/ask";
import type { Usage } from "./room";

export type Known = "yes" | "maybe" | "no";

/** The server's limit of one question. */
export const ASKED_AT_ONCE = 1000;
// Hashing needs the whole file in memory.
const HASHED_BYTES = 200 * 1024 * 1024;

/** For each file, at most a thousand, whether the event has one of its name, size and date; these need a closer look. */
export async function alike(url: string, files: readonly File[]): Promise<Known[]> {
  return (await ask(url, files.map(describe))).map((answer) => answer.known);
}

/**
 * Whether the event has these very bytes, and as which photo if that is the viewer's to know. Where it can't be told the
 * file is sent, and the server compares.
 */
export async function whereAre(url: string, files: readonly Hashed[]): Promise<{ here: boolean; id: string | null }[]> {
  const hashed = files.filter(({ sha256 }) => sha256);
  const answers = hashed.length ? await ask(url, hashed.map(({ file, sha256 }) => ({ ...describe(file), sha256 }))) : [];
  const byFile = new Map(hashed.map(({ file }, index) => [file, answers[index]]));
  return files.map(({ file }) => {
    const answer = byFile.get(file);
    return { here: answer?.known === "yes", id: answer?.photo_id ?? null };
  });
}

export interface Hashed {
  file: File;
  /** In hexadecimal digits; empty where the browser can't (a page without HTTPS) or the file can't be read. */
  sha256: string;
}

export interface Room {
  /** Who is signed in now. */
  viewer: string;
  usages: Usage[];
}

export async function room(url: string): Promise<Room> {
  return await answered<Room>(await fetch(`${url}/room`, { headers: { Accept: "application/json" } }));
}

interface Answer {
  known: Known;
  photo_id?: string;
}

async function ask(url: string, files: readonly object[]): Promise<Answer[]> {
  const answer = await fetch(`${url}/known`, {
    method: "POST",
    body: JSON.stringify({ files }),
    headers: { "Content-Type": "application/json", Accept: "application/json" },
  });
  return (await answered<{ files: Answer[] }>(answer)).files;
}

async function answered<T>(answer: Response): Promise<T> {
  if (!answer.ok) throw new Problem(answer.status, detailOf(await answer.text()));
  return (await answer.json()) as T;
}

function describe(file: File): { name: string; size: number; modified: number } {
  return { name: file.name, size: file.size, modified: file.lastModified };
}

export async function hash(file: File): Promise<Hashed> {
  if (!globalThis.crypto.subtle || file.size > HASHED_BYTES) return { file, sha256: "" };
  try {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return { file, sha256: [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  } catch {
    return { file, sha256: "" };
  }
}
