/* The panel of a table or a matrix: the text, the parameters, and the clusters that follow them. */

const PAUSE_INPUT = 250; // milliseconds after the last key

class TablePanel {
  constructor(connection, start) {
    this.connection = connection;
    this.work = new Work(byId("table-work"), connection);
    this.most = start.most_characters;
    this.name = "pasted.csv";
    this.sent = null;
    this.explorer = null;
    byId("table-limits").textContent =
      `At most ${this.most.toLocaleString("en")} characters and ${start.most_rows.toLocaleString("en")} rows; neurotopo explore takes larger files. The table stays on this computer.`;
    saveLinks(byId("table-save"), connection, [
      ["table.csv", "labels"], ["table.json", "JSON"], ["table.html", "an offline page"], ["table.py", "Python code"],
    ]);
    this.listen();
  }

  listen() {
    byId("table-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.cluster();
    });
    byId("parameters").addEventListener("submit", (event) => event.preventDefault());
    byId("file").addEventListener("change", () => this.read());
    byId("text").addEventListener("input", () => {
      this.name = "pasted.csv";
    });
    byId("example").addEventListener("click", () => {
      this.work.run("example", {}, ({ name, text }) => {
        byId("holds").value = "points";
        this.take(name, text);
        this.cluster();
      });
    });
    let timer = 0;
    byId("parameters").addEventListener("input", () => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => {
        if (!byId("clustered").hidden && byId("parameters").reportValidity()) this.cluster();
      }, PAUSE_INPUT);
    });
  }

  async read() {
    const file = byId("file").files[0];
    if (!file) return;
    if (file.size > 4 * this.most) {
      this.work.say(`${file.name} has ${file.size.toLocaleString("en")} bytes, more than fits here: use neurotopo explore.`, true);
      return;
    }
    this.take(file.name, await file.text());
    this.cluster();
  }

  take(name, text) {
    byId("text").value = text;
    this.name = name;
    this.work.say("");
  }

  parameters() {
    const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
    const word = (id) => byId(id).value || null;
    const condense = word("condense");
    return {
      metric: byId("holds").value === "distances" ? null : word("metric"),
      rule: word("rule"),
      tau: number("table-tau"),
      scale: word("table-scale"),
      min_cluster_size: number("table-least"),
      min_samples: number("smoothing"),
      n_clusters: number("n-clusters"),
      nested: byId("nested").checked,
      symmetrize: byId("holds").value === "distances" ? word("symmetrize") : null,
      condense: condense === null ? null : condense === "true",
    };
  }

  async cluster() {
    const text = byId("text").value;
    if (text.length > this.most) {
      this.work.say(`The table has ${text.length.toLocaleString("en")} characters, more than ${this.most.toLocaleString("en")}: use neurotopo explore.`, true);
      return;
    }
    try {
      if (this.sent !== `${this.name}\n${text}`) {
        await this.connection.post("table", { name: this.name, text });
        this.sent = `${this.name}\n${text}`;
      }
    } catch (error) {
      this.work.say(error.message, true);
      return;
    }
    const given = () => ({
      reading: {
        distances: byId("holds").value === "distances",
        names: byId("names").value.trim(),
        drop: byId("drop").value,
        separator: byId("separator").value,
        decimal: byId("decimal").value,
        standardize: byId("standardize").checked,
      },
      paper: byId("preset").value === "paper",
      parameters: this.parameters(),
    });
    await this.work.run("cluster", given, (found) => this.show(found));
  }

  show(found) {
    byId("clustered").hidden = false;
    byId("read").textContent = `${upperFirst(found.read)}.`;
    byId("warnings").replaceChildren(...found.warnings.map((text) => make("li", "", text)));
    const radius = this.explorer ? this.explorer.radius : null;
    const high = this.explorer ? this.explorer.scale.high : null;
    if (!this.explorer) this.explorer = window.neurotopoExplorer(byId("table-graph"), null, { heading: 2 });
    this.explorer.show(found.graph);
    // the same tree: the radius stays where it was
    if (high === this.explorer.scale.high) this.explorer.setRadius(radius);
  }
}
