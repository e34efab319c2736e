import Configuration
import Datasets
import Foundation
import Testing

@testable import Experiments

/// A sweep with something of everything: two axes and seeds, accuracies, energies, curves, diverged and failed points.
func reportSample(_ folder: String) throws -> SweepSample {
  var sample = SweepSample(folder)
  sample.name = "adc-and-wires"
  try sample.write(
    axes: [
      (SweepSample.adc, [3, 4, 6, 8]), (SweepSample.wire, [0.5, 1, 2, 5, 10, 20]), ("seed", [1, 2, 3]),
    ],
    epochs: { v in
      let top = reportAccuracy(v)
      return (1...8).map { e in
        let rise = 1 - exp(-0.5 * Double(e))
        return (2.3 - 2 * rise * top, top * rise + 0.005, top * rise)
      }
    }
  ) { v in
    if v[SweepSample.adc] == 3, v[SweepSample.wire] == 20 {
      return v["seed"] == 1 ? .failed("killed after 600 s: --timeout") : .diverged("the loss is not finite in epoch 3")
    }
    if v[SweepSample.adc] == 3, v[SweepSample.wire] == 10, v["seed"] == 2 {
      return .diverged("the loss is not finite in epoch 5")
    }
    let bits = v[SweepSample.adc]?.double ?? 8
    return .done([
      ("test.accuracy", reportAccuracy(v)), ("test.loss", 1 - reportAccuracy(v)),
      ("test.energyPerSample", 2e-9 * pow(1.6, bits)), ("test.latency", 1e-6 * bits), ("test.area", 0.2 + 0.05 * bits),
    ])
  }
  return sample
}

func reportAccuracy(_ v: SweepSample.Values) -> Double {
  let (bits, wire, seed) = (
    v[SweepSample.adc]?.double ?? 8, v[SweepSample.wire]?.double ?? 1, v["seed"]?.double ?? 1
  )
  return 0.985 - 0.35 * exp(-0.7 * bits) * (1 + 0.1 * wire) - 0.004 * wire + 0.004 * (seed - 2) * (1 + 2 / bits)
}

@Suite("report")
struct ReportTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func page(_ folder: String, _ change: (inout ReportPage.Request) -> Void = { _ in }) throws -> (
    text: String, notes: [String]
  ) {
    var request = ReportPage.Request()
    change(&request)
    var report = try ReportPage(folders: [folder], request)
    let path = scratch.folder + "/report-\(UUID().uuidString).html"
    try report.write(to: path)
    return (try String(contentsOfFile: path, encoding: .utf8), report.notes)
  }

  private static func hasGnuplot() -> Bool { !ChildProcess.run("gnuplot", ["--version"]).isMissing }

  @Test("the page has what was asked, a table, figures, losses, configurations and machines, and is one file")
  func whole() throws {
    let sample = try reportSample(scratch.folder + "/r")
    let (text, _) = try page(sample.folder)
    for id in ["asked", "table", "lost", "configurations", "machine"] {
      #expect(text.contains("<section id=\"\(id)\">"))
    }
    #expect(text.contains("<title>adc-and-wires</title>"))
    #expect(text.contains("a sweep of 72 points · 24 settings · seeds 1, 2, 3"))
    #expect(text.contains("<b>68</b>done") && text.contains("<b>3</b>diverged") && text.contains("<b>1</b>failed"))
    #expect(text.contains("<td>adcBits</td><td>bit</td><td>3, 4, 6, 8</td>"))
    #expect(text.contains("<td>wireResistance</td><td>Ω</td>"))
    #expect(text.contains("killed after 600 s: --timeout"))
    #expect(text.contains("&quot;architecture&quot;: &quot;mlp&quot;"), "the configuration as written")
    // Nothing is fetched from anywhere.
    for outside in ["src=", "http://", "https://", "@import", "url("] {
      var rest = text[...]
      while let found = rest.range(of: outside) {
        let line = String(text[found.lowerBound...].prefix(60))
        let isNamespace = line.contains("www.w3.org") || line.hasPrefix("url(#")
        #expect(isNamespace, "\(line)")
        rest = rest[found.upperBound...]
      }
    }
    #expect(text.utf8.count < 600_000)
  }

  @Test("the script's hash is the one that the page's policy allows")
  func policy() throws {
    let (text, _) = try page(try reportSample(scratch.folder + "/r").folder)
    let start = try #require(text.range(of: "<script>")), end = try #require(text.range(of: "</script>"))
    let digest = Data(SHA256.digest(of: Array(text[start.upperBound..<end.lowerBound].utf8)))
    #expect(text.contains("script-src &#39;") == false)
    #expect(text.contains("script-src 'sha256-\(digest.base64EncodedString())'"))
    #expect(text.components(separatedBy: "<script").count == 2)
  }

  @Test(
    "figures stand in the page with ids of their own, a title, and black that follows the theme",
    .enabled(if: hasGnuplot(), "gnuplot is not installed: apt-get install gnuplot-nox"))
  func figures() throws {
    let (text, notes) = try page(try reportSample(scratch.folder + "/r").folder)
    #expect(!notes.contains { $0.contains("gnuplot") }, "\(notes)")
    let svgs = text.components(separatedBy: "<svg").dropFirst().map { String($0.components(separatedBy: "</svg>")[0]) }
    // Two against an axis, a map, three fronts, two of training.
    #expect(svgs.count == 8)
    var ids: Set<String> = []
    for svg in svgs {
      #expect(svg.contains("role=\"img\" aria-labelledby=") && svg.contains("<title id="))
      let own = svg.matches(of: /id=["']([^"']+)["']/).map { String($0.1) }
      for id in own { #expect(ids.insert(id).inserted, "\(id) twice") }
      for reference in svg.matches(of: /href=["']#([^"']+)["']/) { #expect(own.contains(String(reference.1))) }
      #expect(!svg.contains("background") && !svg.contains("gnuplot_plot_1</title>"))
    }
    #expect(text.contains("svg [color=\"black\"] { color: inherit; }"))
    #expect(text.contains("test.accuracy over wireResistance (Ω) and adcBits (bit)"))
    #expect(text.contains("Dashed: the front, of settings"))
    #expect(text.contains("lost: all runs diverged or failed."))
  }

  @Test("the same runs give the same bytes")
  func deterministic() throws {
    let sample = try reportSample(scratch.folder + "/r")
    #expect(try page(sample.folder).text == page(sample.folder).text)
  }

  @Test(
    "--figures keeps scripts, data and pictures, and a script alone draws its picture again",
    .enabled(if: hasGnuplot(), "gnuplot is not installed: apt-get install gnuplot-nox"))
  func kept() throws {
    let folder = scratch.folder + "/kept"
    _ = try page(try reportSample(scratch.folder + "/r").folder) { $0.figures = folder }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    let scripts = names.filter { $0.hasSuffix(".gp") }
    #expect(scripts.count == 8 && names.count == 24, "\(names)")
    for script in scripts {
      let stem = String(script.dropLast(3))
      let drawn = ChildProcess.run("gnuplot", ["-d", "\(folder)/\(script)"]).output
      // But for a group in which nothing is drawn, which remembers the figure before.
      func inline(_ svg: [UInt8]) -> String? { InlineSVG.text(svg, prefix: "f", title: "") }
      #expect(try inline(FileBytes.read("\(folder)/\(stem).svg")) == inline(drawn) && inline(drawn) != nil)
      #expect(try CSV.read("\(folder)/\(stem).csv").rows.count > 0)
    }
  }

  @Test("names are text wherever they stand: no markup, no command")
  func names() throws {
    var sample = SweepSample(scratch.folder + "/r")
    sample.name = "<b>`touch \(scratch.folder.replacing("/", with: "`"))`&\"x'\\"
    let label = "`touch pwned` <i>\"'\\ \n$(touch pwned) @pwned"
    try sample.write(
      axes: [("seed", [1, 2])],
      points: [(label, [SweepSample.adc: 4]), ("b", [SweepSample.adc: 8]), ("c", [SweepSample.adc: 6])],
      epochs: { _ in [(1, 0.5, 0.5), (1, 0.6, 0.6)] }
    ) { .done([("test.accuracy", ($0[SweepSample.adc]?.double ?? 0) / 10)]) }
    let (text, notes) = try page(sample.folder)
    #expect(!text.contains("<b>`") && !text.contains("<i>"))
    #expect(!notes.contains { $0.contains("gnuplot could not") }, "\(notes)")
    #expect(!FileManager.default.fileExists(atPath: "pwned"))
  }

  @Test("runs without a sweep are reported as well")
  func plain() throws {
    let lab = try Bench()
    let text = lab.text(
      "\"model\": \"mlp\"", "{ \"train\": { \"epochs\": 3 } }, { \"evaluate\": {}, \"label\": \"test\" }")
    for rate in ["0.05", "0.2"] {
      for seed in [1, 2] as [UInt64] {
        _ = try lab.run(text, ["stages.train.optimizer.learningRate=\(rate)"], seed: seed)
      }
    }
    let (page, notes) = try page(lab.folder)
    #expect(notes.isEmpty, "\(notes)")
    #expect(page.contains("4 runs · 2 settings · seeds 1, 2"))
    #expect(page.contains("<code>stages.0.train.optimizer.learningRate</code>"))
    if Self.hasGnuplot() { #expect(page.contains("Training: accuracy")) }
    let run = try FileManager.default.contentsOfDirectory(atPath: lab.folder).first { $0.hasPrefix("run-") }
    let single = try self.page("\(lab.folder)/\(run ?? "")")
    #expect(single.text.contains("1 run · "))
  }

  @Test("random samples are points against each of their axes; many epochs and rows are thinned and said so")
  func random() throws {
    var sample = SweepSample(scratch.folder + "/r")
    let wires = (0..<60).map { JSON.number(0.1 * pow(1.1, Double($0))) }
    try sample.write(axes: [(SweepSample.wire, wires)]) { .done([("test.accuracy", reportAccuracy($0))]) }
    let (text, _) = try page(sample.folder)
    #expect(text.contains("A point for each of 60 settings") || !Self.hasGnuplot())
  }

  @Test("times that no run can have taken are damage, and left out", arguments: ["inf", "1e30", "nan", "-5"])
  func damagedTimes(seconds: String) throws {
    let sample = try reportSample(scratch.folder + "/damaged")
    let path = sample.folder + "/timings.csv"
    let whole = try page(sample.folder).text
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    try file.write(contentsOf: Data("0123456789ab,\(seconds)\n".utf8))
    try file.close()
    #expect(try page(sample.folder).text == whole)
  }

  @Test("what cannot be reported is answered in a sentence")
  func refusals() throws {
    let sample = try reportSample(scratch.folder + "/r")
    func sentence(_ folder: String, _ change: (inout ReportPage.Request) -> Void = { _ in }) throws -> String {
      var request = ReportPage.Request()
      change(&request)
      do { _ = try ReportPage(folders: [folder], request) } catch { return "\(error)" }
      return ""
    }
    try FileManager.default.createDirectory(atPath: scratch.folder + "/none", withIntermediateDirectories: true)
    #expect(try sentence(scratch.folder + "/none").contains("none: no finished runs here"))
    #expect(try sentence(scratch.folder + "/nowhere").contains("no such folder"))
    #expect(try sentence(sample.folder) { $0.metrics = ["test.acuracy"] }.contains("no metric fits test.acuracy"))
    try "{ \"runID\"".write(toFile: "\(sample.folder)/\(sample.ids[0])/result.json", atomically: true, encoding: .utf8)
    let (text, notes) = try page(sample.folder)
    #expect(notes.contains { $0.contains("\(sample.ids[0])/result.json: left out") })
    #expect(text.contains("\(sample.ids[0])/result.json: left out"), "the page says so as well")
    var report = try ReportPage(folders: [sample.folder], ReportPage.Request())
    let error = try #require(throws: DataError.self) { try report.write(to: scratch.folder + "/no/such/folder/x.html") }
    #expect(error.description.contains("/no/such/folder"))
  }
}

@Suite(
  "report in a browser", .serialized,
  .enabled(
    if: Browser.binary != nil, "SKIPPED: no Chromium (apt-get install chromium, or CHROMIUM=path): pages are not opened"
  ))
struct ReportBrowserTests {
  let scratch: Scratch
  let path: String

  init() throws {
    scratch = try Scratch()
    let sample = try reportSample(scratch.folder + "/r")
    path = scratch.folder + "/report.html"
    var report = try ReportPage(folders: [sample.folder], ReportPage.Request())
    try report.write(to: path)
  }

  @Test("Chromium opens the page without a request or a complaint, sorts its table by click and by keyboard")
  func sorts() throws {
    let browser = try Browser()
    try browser.view(width: 1200, height: 900)
    try browser.open(path)
    let column =
      "[...document.querySelectorAll('#results th')].findIndex(h => h.textContent.startsWith('test.accuracy'))"
    let values = "[...document.querySelectorAll('#results tbody tr')].map(r => r.cells[\(column)].dataset.v)"
    func numbers() throws -> [Double] {
      (try browser.evaluate(values).array ?? []).compactMap { $0.string.flatMap(Double.init) }
    }
    let before = try numbers()
    #expect(before.count == 23, "of 24 rows one has no accuracy")
    try browser.evaluate("document.querySelectorAll('#results th button')[\(column)].click()")
    #expect(try numbers() == before.sorted(by: >))
    #expect(
      try browser.evaluate("document.querySelectorAll('#results th')[\(column)].getAttribute('aria-sort')")
        == "descending")
    let last = "document.querySelector('#results tbody').lastElementChild.cells[\(column)].dataset.v"
    #expect(try browser.evaluate(last) == "", "what has no value stands last")
    // The same button, reached and pressed by the keyboard.
    try browser.evaluate("document.querySelectorAll('#results th button')[\(column) - 1].focus()")
    try browser.press("Tab", code: 9)
    try browser.press("Enter", code: 13, text: "\r")
    #expect(try numbers() == before.sorted())
    #expect(try browser.evaluate(last) == "")
    #expect(
      try browser.evaluate("document.querySelector('[role=status]').textContent").string?.contains("ascending") == true)
    #expect(browser.requested.isEmpty, "\(browser.requested)")
    #expect(browser.complaints.isEmpty, "\(browser.complaints)")
  }

  @Test("nothing is wider than a phone, texts stand out from their ground in light and dark, and it prints")
  func views() throws {
    let browser = try Browser()
    try browser.open(path)
    for (width, dark) in [(1200, false), (1200, true), (375, false), (375, true)] {
      try browser.view(width: width, height: 900, dark: dark)
      let scroll = try browser.evaluate("document.documentElement.scrollWidth").double ?? 0
      #expect(scroll <= Double(width), "\(scroll) at \(width)")
      // Relative luminance of a colour, and the contrast of WCAG.
      let contrast = try browser.evaluate(
        """
        (() => {
          const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const ground = light(getComputedStyle(document.body).backgroundColor);
          const of = (e, what) => { const l = light(getComputedStyle(e)[what]);
            return (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05); };
          const texts = [...document.querySelectorAll("figure svg g[fill=black]")].map(g => of(g, "fill"));
          const body = ["p", "td", "figcaption", "h2"].map(t => of(document.querySelector(t), "color"));
          return Math.min(...texts, ...body);
        })()
        """)
      #expect((contrast.double ?? 0) >= 4.5, "contrast \(contrast) at \(width), dark \(dark)")
      if let folder = ProcessInfo.processInfo.environment["SIMENGINE_SCREENSHOTS"] {
        try browser.picture(to: "\(folder)/report-\(width)-\(dark ? "dark" : "light").png")
      }
    }
    let pdf = (ProcessInfo.processInfo.environment["SIMENGINE_SCREENSHOTS"] ?? scratch.folder) + "/report.pdf"
    try browser.print(to: pdf)
    #expect(try FileBytes.read(pdf).starts(with: Array("%PDF".utf8)))
    #expect(browser.complaints.isEmpty, "\(browser.complaints)")
  }
}
