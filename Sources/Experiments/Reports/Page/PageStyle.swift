/// What a report's page looks like, and the script that sorts its tables. Both stand in the page itself.
enum PageStyle {
  /// Light and dark by the reader's system; one column on a phone; black on white on paper.
  static let css = """
    :root { color-scheme: light dark; --paper: #fff; --ink: #1a1d21; --quiet: #5b636d; --line: #d9dde2; --wash: #f4f6f8;
      --accent: #0072b2; --good: #007a5a; --bad: #b4460f; --grid: #c9ced4; }
    @media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e6e8ea; --quiet: #a0a8b1; --line: #353b42;
      --wash: #1d2126; --accent: #58b1ea; --good: #3cc79b; --bad: #f08a4b; --grid: #454c54; } }
    * { box-sizing: border-box; }
    html { scroll-padding-top: 1rem; }
    body { margin: 0 auto; max-width: 76rem; padding: 1.5rem clamp(.8rem, 3vw, 2.5rem) 4rem; background: var(--paper);
      color: var(--ink); font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
    h1 { font-size: 1.75rem; line-height: 1.2; margin: .2rem 0 .3rem; overflow-wrap: anywhere; }
    h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
    p { margin: .4rem 0; max-width: 75ch; }
    a { color: var(--accent); }
    .quiet, figcaption, caption { color: var(--quiet); font-size: .875rem; }
    nav { margin: .8rem 0 0; font-size: .9rem; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
    .states { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; }
    .states li { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .9rem; background: var(--wash); }
    .states b { font-size: 1.35rem; font-weight: 650; margin-right: .35rem; font-variant-numeric: tabular-nums; }
    .states .good b { color: var(--good); }
    .states .bad b { color: var(--bad); }
    .best { border-left: 4px solid var(--accent); background: var(--wash); padding: .6rem 1rem; margin: 1rem 0;
      border-radius: 0 .5rem .5rem 0; max-width: none; }
    .scroll { overflow-x: auto; max-width: 100%; }
    .tall { max-height: 36rem; overflow: auto; border: 1px solid var(--line); border-radius: .5rem; }
    table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
    th, td { padding: .3rem .7rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
    td.n, th.n { text-align: right; white-space: nowrap; }
    thead th { background: var(--wash); white-space: nowrap; border-bottom: 2px solid var(--line); }
    .tall thead th { position: sticky; top: 0; z-index: 1; }
    tbody tr:hover { background: var(--wash); }
    td.lost { color: var(--bad); white-space: nowrap; }
    td.id { font-family: ui-monospace, monospace; font-size: .85em; white-space: nowrap; }
    caption { caption-side: bottom; text-align: left; padding: .5rem .7rem; }
    th button { all: unset; cursor: pointer; font-weight: 650; border-radius: .2rem; }
    th button::after { content: "\\00a0↕"; color: var(--quiet); opacity: .6; font-weight: 400; }
    th[aria-sort=ascending] button::after { content: "\\00a0↑"; opacity: 1; color: var(--accent); }
    th[aria-sort=descending] button::after { content: "\\00a0↓"; opacity: 1; color: var(--accent); }
    th button:focus-visible, summary:focus-visible, a:focus-visible, .tall:focus-visible, .scroll:focus-visible {
      outline: 2px solid var(--accent); outline-offset: 2px; }
    .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1.2rem; }
    h3 { font-size: .95rem; margin: .2rem .4rem .5rem; overflow-wrap: anywhere; }
    figure { margin: 0; padding: .6rem; border: 1px solid var(--line); border-radius: .6rem; break-inside: avoid; }
    figure svg { display: block; width: 100%; height: auto; }
    figure svg text, figure svg tspan { font-family: system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
    svg [color="black"] { color: inherit; }
    svg [fill="black"] { fill: currentColor; }
    svg [stroke="black"] { stroke: currentColor; }
    svg .gridline { stroke: var(--grid); }
    figcaption { padding: .2rem .4rem .1rem; }
    details { border: 1px solid var(--line); border-radius: .5rem; margin: .6rem 0; }
    summary { cursor: pointer; padding: .5rem .9rem; font-weight: 600; overflow-wrap: anywhere; }
    pre { margin: 0; padding: .8rem .9rem; overflow-x: auto; background: var(--wash); font: .82rem/1.45 ui-monospace,
      SFMono-Regular, Menlo, Consolas, monospace; border-top: 1px solid var(--line); border-radius: 0 0 .5rem .5rem; }
    code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .92em; overflow-wrap: anywhere; }
    .warning { border-left: 4px solid var(--bad); background: var(--wash); padding: .4rem 1rem; margin: .5rem 0;
      border-radius: 0 .5rem .5rem 0; max-width: none; overflow-wrap: anywhere; }
    footer { margin-top: 3rem; }
    @media (max-width: 40rem) { h1 { font-size: 1.4rem; } th, td { padding: .25rem .45rem; } table { font-size: .82rem; }
      .states b { font-size: 1.1rem; } .states li { padding: .25rem .6rem; } }
    @media print { @page { margin: 14mm; }
      :root { color-scheme: light; --paper: #fff; --ink: #000; --quiet: #444; --line: #bbb; --wash: #fff; --accent: #000;
        --good: #000; --bad: #000; --grid: #bbb; }
      body { max-width: none; padding: 0; font-size: 9.5pt; } nav, th button::after { display: none; }
      th button::after, th[aria-sort] button::after { content: ""; }
      .tall { max-height: none; overflow: visible; border: 0; } .scroll { overflow: visible; }
      .tall thead th { position: static; } thead { display: table-header-group; } tr { break-inside: avoid; }
      table { font-size: 7.5pt; } th, td { padding: .12rem .35rem; } thead th { white-space: normal; }
      .figures { grid-template-columns: 1fr 1fr; gap: .6rem; } h2 { break-after: avoid; }
      pre { white-space: pre-wrap; columns: 2; font-size: 6.5pt; line-height: 1.3; } }
    """

  /// Sorts every table of class "sortable" by the column whose head is pressed.
  ///
  /// Heads become buttons, which a keyboard reaches; without a script they stay what they are. A cell's data-v is its
  /// number; what has none is sorted as text, and what is empty stands last either way.
  static let script = """
    "use strict";
    for (const table of document.querySelectorAll("table.sortable")) {
      const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
      const status = document.createElement("p");
      status.className = "quiet";
      status.setAttribute("role", "status");
      table.parentElement.after(status);
      const value = (row, column) => {
        const cell = row.cells[column], number = cell.dataset.v;
        if (number !== undefined) return number === "" ? null : Number(number);
        const text = cell.textContent.trim();
        return text === "" || text === "–" ? null : text;
      };
      const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
        : typeof a === "number" ? -1 : typeof b === "number" ? 1
        : a.localeCompare(b, undefined, { numeric: true });
      heads.forEach((head, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => {
          const rows = [...body.rows].map(row => [value(row, column), row]);
          const before = head.getAttribute("aria-sort");
          // Numbers begin with the largest, texts with A.
          const isNumeric = rows.some(([v]) => typeof v === "number");
          const next = before === "descending" ? "ascending" : before === "ascending" ? "descending"
            : isNumeric ? "descending" : "ascending";
          const sign = next === "ascending" ? 1 : -1;
          rows.sort(([a], [b]) => a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * compare(a, b));
          body.append(...rows.map(([, row]) => row));
          heads.forEach(h => h.removeAttribute("aria-sort"));
          head.setAttribute("aria-sort", next);
          status.textContent = `Sorted by ${button.textContent}, ${next}.`;
        });
      });
    }
    // On paper what was written is open.
    addEventListener("beforeprint", () => document.querySelectorAll("details.written").forEach(d => d.open = true));
    """
}
