/* The tabs, and the start. */

const TABS = ["fact", "table"];
const panels = {};

/** Show a panel; it connects when it is shown for the first time. */
async function showTab(name, focus) {
  for (const each of TABS) {
    const tab = byId(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    byId(each).hidden = each !== name;
  }
  if (focus) byId(`tab-${name}`).focus();
  window.history.replaceState(null, "", `#${name}`);
  if (panels[name]) return;
  const connection = new Connection();
  try {
    panels[name] = connection;
    const start = await connection.open();
    panels[name] = name === "fact" ? new FactPanel(connection, start) : new TablePanel(connection, start);
    document.body.dataset[name] = "ready";
    if (name === "fact") await panels.fact.load();
  } catch (error) {
    const said = make("p", "nta-error nta-wrong", upperFirst(error.message));
    said.setAttribute("role", "alert");
    byId(`${name}-work`).replaceChildren(said);
  }
}

TABS.forEach((name, k) => {
  const tab = byId(`tab-${name}`);
  tab.addEventListener("click", () => showTab(name));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    showTab(TABS[(k + step + TABS.length) % TABS.length], true);
  });
});
window.neurotopoPanels = panels;
showTab(TABS.includes(window.location.hash.slice(1)) ? window.location.hash.slice(1) : TABS[0]);
