/* The connection with the server: one session, in which one job runs at a time. */

const GONE = "The server does not answer. Is neurotopo app still running?";

class Connection {
  /** Open a session; returns what the page shows first. */
  async open() {
    const { session, ...start } = await (await this.post("session", {})).json();
    this.session = session;
    // a reload or the end of the tab ends its work
    window.addEventListener("pagehide", () => {
      this.post("close", {}, true).catch(() => {});
    });
    return start;
  }

  async post(name, content, last) {
    let reply;
    try {
      reply = await fetch(`api/${name}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ session: this.session, ...content }),
        keepalive: Boolean(last),
      });
    } catch (error) {
      throw new Error(GONE);
    }
    if (reply.ok) return reply;
    const text = await reply.text();
    let said = text;
    try {
      said = JSON.parse(text).error;
    } catch (error) {
      // the text itself
    }
    throw new Error(said || `The server has refused this (status ${reply.status}).`);
  }

  /** Run a job and return its result; `tell` gets every event. */
  async run(job, given, tell) {
    const reply = await this.post("job", { job, arguments: given });
    const reader = reply.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      let part;
      try {
        part = await reader.read();
      } catch (error) {
        throw new Error(GONE);
      }
      rest += decoder.decode(part.value || new Uint8Array(), { stream: !part.done });
      const lines = rest.split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const event = JSON.parse(line);
        if ("result" in event) return event.result;
        if (event.error) throw new Error(event.error);
        if (event.cancelled) throw new Cancelled();
        tell(event);
      }
      if (part.done) throw new Error(GONE);
    }
  }

  cancel() {
    return this.post("cancel", {});
  }

  /** Address of a file to save. */
  file(kind) {
    return `api/save/${kind}?session=${encodeURIComponent(this.session)}`;
  }
}

class Cancelled extends Error {}

/** The work of a panel: one job at a time, its progress, its errors, and the way to cancel it. */
class Work {
  constructor(element, connection) {
    this.connection = connection;
    this.busy = false;
    this.waiting = null;
    this.line = make("p", "nta-progress");
    this.line.setAttribute("role", "status");
    this.text = make("span");
    this.bar = make("progress");
    this.bar.max = 1;
    this.bar.setAttribute("aria-label", "Progress");
    this.stop = make("button", "ntx-button nta-cancel", "Cancel");
    this.stop.type = "button";
    this.stop.addEventListener("click", () => this.cancel());
    this.line.append(this.text);
    this.error = make("p", "nta-error");
    this.error.setAttribute("role", "alert");
    this.error.hidden = true;
    this.row = make("div", "nta-row");
    this.row.append(this.line, this.bar, this.stop);
    this.row.hidden = true;
    element.append(this.row, this.error);
  }

  /**
   * Run a job and pass its result on. While another one runs, it waits; of several that wait the
   * last one counts. `given` may be a function, called when the job begins.
   */
  async run(job, given, done) {
    if (this.busy) {
      this.waiting = [job, given, done];
      return;
    }
    this.begin();
    try {
      const known = typeof given === "function" ? given() : given;
      const result = await this.connection.run(job, known, (event) => this.tell(event));
      this.end();
      done(result);
    } catch (error) {
      this.end();
      if (error instanceof Cancelled) this.say("Cancelled.");
      else this.say(upperFirst(error.message), true);
      this.waiting = null;
    }
    if (this.waiting) {
      const next = this.waiting;
      this.waiting = null;
      await this.run(...next);
    }
  }

  begin() {
    this.busy = true;
    this.began = performance.now();
    this.said = "working";
    this.error.hidden = true;
    this.row.hidden = false;
    this.stop.disabled = false;
    this.bar.removeAttribute("value");
    this.show();
  }

  end() {
    this.busy = false;
    this.row.hidden = true;
    this.seconds = (performance.now() - this.began) / 1000;
  }

  tell(event) {
    if (event.waiting) this.said = `waiting for ${counted(event.waiting, "other job", "other jobs")}`;
    else if (event.progress) this.said = event.progress;
    if (typeof event.share === "number") this.bar.value = event.share;
    else if (event.progress) this.bar.removeAttribute("value");
    this.show();
  }

  show() {
    const seconds = Math.floor((performance.now() - this.began) / 1000);
    this.text.textContent = `${upperFirst(this.said)} ...${seconds ? ` ${seconds} s` : ""}`;
  }

  async cancel() {
    this.waiting = null;
    this.stop.disabled = true;
    try {
      await this.connection.cancel();
    } catch (error) {
      this.say(error.message, true);
    }
  }

  /** Show a message: of an error, or of a cancelled job. */
  say(text, wrong) {
    this.error.textContent = text;
    this.error.classList.toggle("nta-wrong", Boolean(wrong));
    this.error.hidden = !text;
  }
}

const byId = (id) => document.getElementById(id);

/** Split a list at its semicolons. */
function listOf(text) {
  return text.split(";").map((part) => part.trim()).filter((part) => part);
}

/** Make the links that save what a panel shows. */
function saveLinks(element, connection, kinds) {
  for (const [kind, text] of kinds) {
    const link = make("a", "nta-link", text);
    link.href = connection.file(kind);
    link.download = `neurotopo_${kind}`;
    element.append(" ", link);
  }
}
