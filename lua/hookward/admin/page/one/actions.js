// What can be done with a delivery: run it again, edit it, remove it, copy it as a command.

import { post } from "../api.js";
import { h, put } from "../dom.js";
import { confirm } from "../parts/confirm.js";
import { copyButton } from "../parts/copy.js";
import { hand } from "../parts/handed.js";

/** @typedef {import("../app.js").Context} Context */

export class Actions {
  /**
   * @param {Context} ctx
   * @param {{ changed: () => void, purged: () => void }} tell
   */
  constructor(ctx, tell) {
    this.ctx = ctx;
    this.tell = tell;
    /** @type {any} */
    this.delivery = null;
    this.running = false;
    this.unable = ""; // why it can't run again
    this.replayButton = h("button", { type: "button", class: "primary",
      onclick: () => this.replay() }, "Replay");
    this.purgeButton = h("button", { type: "button", class: "danger",
      onclick: () => this.purge() }, "Purge");
    this.editButton = h("button", { type: "button", hidden: true, onclick: () => this.edit() },
      "Edit and send");
    const mayChange = ctx.session.role === "write";
    this.copies = h("div", { class: "buttons" });
    this.element = h("div", { class: "buttons actions" },
      mayChange && this.replayButton, mayChange && ctx.session.dev && this.editButton, this.copies,
      mayChange && this.purgeButton);
  }

  /** @param {any} delivery */
  show(delivery) {
    const { send, curl } = delivery.commands ?? {};
    if (this.delivery?.commands?.send !== send || this.delivery?.commands?.curl !== curl) {
      put(this.copies, send && copyButton("Copy as hookward send", send, "a hookward send command"),
        curl && copyButton("Copy as curl", curl, "a curl command"));
    }
    this.delivery = delivery;
    this.unable = delivery.state === "running" ? "It is running now."
      : delivery.has_body ? "" : "Its body was not kept, so it can’t run again.";
    this.replayButton.setAttribute("aria-disabled", String(this.unable !== "")); // keeps the focus
    this.replayButton.title = this.unable;
    this.editButton.hidden = typeof delivery.body !== "string";
  }

  /** @param {string} what @param {unknown} body */
  ask(what, body) {
    return post(`/api/deliveries/${this.delivery.seq}/${what}`, body);
  }

  async replay() {
    if (this.running) return;
    if (this.unable) return this.ctx.note(this.unable, "bad");
    const again = this.delivery.state === "succeeded";
    if (again && !await confirm({ title: "Run it again?", yes: "Run it again",
      text: "It has succeeded already. Its handler will run once more, with all its effects." })) return;
    this.busy(true);
    try {
      const said = await this.ask("replay", { force: again });
      if (said.ok) this.ctx.note("Replayed: it succeeded.");
      else this.ctx.note(`Replayed: ${[said.error, said.message].filter(Boolean).join(": ")}`, "bad");
    } catch (error) {
      this.ctx.fail(error);
    }
    this.busy(false);
    this.tell.changed();
  }

  /** Takes the body to where tests are sent; there it gets a job id of its own. */
  edit() {
    hand(this.delivery.body);
    this.ctx.go("#/test");
  }

  /** @param {boolean} busy */
  busy(busy) {
    this.replayButton.textContent = busy ? "Running …" : "Replay";
    this.replayButton.setAttribute("aria-busy", String(busy));
    this.running = busy;
  }

  async purge() {
    if (!await confirm({ title: "Remove this delivery?", yes: "Purge", danger: true,
      text: `Job ${this.delivery.id} is removed from the ledger, with its body and its runs. This `
        + "can’t be undone. If its sender delivers it again, it runs as if it were new." })) return;
    try {
      await this.ask("purge", {});
      this.tell.purged();
    } catch (error) {
      this.ctx.fail(error);
      this.tell.changed();
    }
  }
}
