// The deliveries, newest first.

import { h, put } from "../dom.js";

export const title = "Deliveries";

export async function show(main) {
  put(main, h("h1", null, title));
}
