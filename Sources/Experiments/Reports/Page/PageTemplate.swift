/// The page of a report, in Mustache's notation. It is text in the program, so that an installed binary finds it anywhere.
enum PageTemplate {
  static let html = """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{{scriptHash}}'; base-uri 'none'; form-action 'none'">
    <meta name="generator" content="simengine {{engine}}">
    <title>{{title}}</title>
    <link rel="icon" href="data:,">
    <style>
    {{{css}}}
    </style>
    </head>
    <body>
    <header>
    <h1>{{title}}</h1>
    <p class="quiet">{{subtitle}}</p>
    <nav aria-label="Sections">{{#sections}}<a href="#{{id}}">{{name}}</a>{{/sections}}</nav>
    </header>
    <main>
    <ul class="states" aria-label="States of the runs">{{#states}}<li class="{{kind}}"><b>{{count}}</b>{{name}}</li>{{/states}}</ul>
    {{#best}}<p class="best">{{.}}</p>
    {{/best}}
    {{#warnings}}<p class="warning">{{.}}</p>
    {{/warnings}}
    <section id="asked">
    <h2>What was asked</h2>
    {{#axes.isShown}}<div class="scroll" tabindex="0" role="region" aria-label="Swept keys"><table>
    <thead><tr><th>swept</th><th>unit</th><th>values</th><th>key</th></tr></thead>
    <tbody>
    {{#axes.rows}}<tr><td>{{name}}</td><td>{{unit}}</td><td>{{values}}</td><td><code>{{path}}</code></td></tr>
    {{/axes.rows}}</tbody></table></div>{{/axes.isShown}}
    {{#asked}}<p>{{.}}</p>
    {{/asked}}
    {{#written}}<details class="written"><summary>{{name}}</summary><pre>{{text}}</pre></details>
    {{/written}}
    </section>
    {{#figures.isShown}}<section id="figures">
    <h2>Figures</h2>
    {{#figureNotes}}<p class="quiet">{{.}}</p>
    {{/figureNotes}}
    <div class="figures">
    {{#figures.entries}}<figure>
    <h3>{{title}}</h3>
    {{{svg}}}
    <figcaption>{{caption}}</figcaption>
    </figure>
    {{/figures.entries}}</div>
    </section>{{/figures.isShown}}
    <section id="table">
    <h2>Table</h2>
    <div class="tall" tabindex="0" role="region" aria-label="Results">
    <table class="sortable" id="results">
    <caption>{{table.caption}}</caption>
    <thead><tr>{{#table.heads}}<th scope="col"{{#isNumber}} class="n"{{/isNumber}}>{{name}}</th>{{/table.heads}}</tr></thead>
    <tbody>
    {{#table.rows}}<tr>{{#cells}}<td{{{attributes}}}>{{text}}</td>{{/cells}}</tr>
    {{/table.rows}}</tbody>
    </table></div>
    {{#table.notes}}<p class="quiet">{{.}}</p>
    {{/table.notes}}
    </section>
    {{#lost.isShown}}<section id="lost">
    <h2>Diverged and failed</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Diverged and failed runs"><table class="sortable">
    <thead><tr><th scope="col">run</th><th scope="col">how</th><th scope="col">point</th><th scope="col">why</th></tr></thead>
    <tbody>
    {{#lost.rows}}<tr><td class="id">{{id}}</td><td>{{status}}</td><td>{{point}}</td><td>{{message}}</td></tr>
    {{/lost.rows}}</tbody></table></div>
    {{#lost.note}}<p class="quiet">{{.}}</p>{{/lost.note}}
    </section>{{/lost.isShown}}
    <section id="configurations">
    <h2>Configurations</h2>
    {{#configurationNote}}<p class="quiet">{{.}}</p>{{/configurationNote}}
    {{#configurations}}<details><summary>{{name}}</summary><pre>{{text}}</pre></details>
    {{/configurations}}
    </section>
    <section id="machine">
    <h2>Machine</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Machines"><table>
    <thead><tr><th>processor</th><th class="n">cores</th><th class="n">threads</th><th>BLAS</th><th>kernels</th><th>engine</th><th class="n">runs</th></tr></thead>
    <tbody>
    {{#machines}}<tr><td>{{processor}}</td><td class="n">{{cores}}</td><td class="n">{{threads}}</td><td>{{blas}}</td><td>{{kernels}}</td><td>{{version}}</td><td class="n">{{runs}}</td></tr>
    {{/machines}}</tbody></table></div>
    {{#time}}<p>{{.}}</p>{{/time}}
    </section>
    </main>
    <footer class="quiet"><p>Made by simengine {{engine}}. The page is one file: it asks nothing of any network. Numbers: <code>{{source}}</code></p></footer>
    <script>{{{script}}}</script>
    </body>
    </html>

    """
}
