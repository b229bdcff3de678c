/** What guests ask: the face that is meant has a ring. */
import { markFace } from "../parts/faces";

document.querySelectorAll<HTMLElement>(".wish").forEach(markFace);
