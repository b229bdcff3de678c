/** Said by the server in its own words; `message` is fit for people and in their language. */
export class Problem extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** Whether the same question may be answered later: the network was away, or the server busy; not when it said no. */
export function mayPass(error: unknown): boolean {
  return !(error instanceof Problem) || error.status >= 500 || error.status === 429;
}

/** The sentence of a problem+json answer, or nothing when the answer is something else. */
export function detailOf(body: string): string {
  try {
    const problem = JSON.parse(body) as { detail?: unknown; title?: unknown };
    return typeof problem.detail === "string" ? problem.detail : typeof problem.title === "string" ? problem.title : "";
  } catch {
    return "";
  }
}

/** Post a form without leaving the page. Throws Problem for a refusal, TypeError when the network is away. */
export async function post(url: string, fields: Record<string, string> | FormData): Promise<Response> {
  const body = fields instanceof FormData ? fields : new URLSearchParams(fields);
  const answer = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Problem(answer.status, detailOf(await answer.text()));
  return answer;
}

/** A piece of a page, as the server renders it. */
export async function fragment(url: string): Promise<DocumentFragment> {
  const answer = await fetch(url, { headers: { "X-Fragment": "1", Accept: "text/html" } });
  if (!answer.ok) throw new Problem(answer.status, "");
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  return template.content;
}
