import Configuration
import Datasets
import Foundation
import LinearAlgebra
import Testing

@testable import Experiments

/// The interpreter that Scripts/make-venv makes; nil where it cannot (no python3 with venv, no network).
private let resultsPython: String? = {
  let made = ChildProcess.run("\(Bench.package)/Scripts/make-venv", [])
  let path = String(decoding: made.output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  return made.status == 0 && !path.isEmpty ? path : nil
}()

@Suite("Results/README.md")
struct ResultsReadmeTests {
  private func readme() throws -> String {
    try String(contentsOfFile: "\(Bench.package)/Results/README.md", encoding: .utf8)
  }

  @Test(
    "its five lines of pandas read a sweep's summary.csv and a run's .npy, and draw",
    .enabled(if: resultsPython != nil, "SKIPPED: Scripts/make-venv made no environment (it needs python3 and PyPI)"))
  func python() throws {
    let blocks = try readme().components(separatedBy: "```python\n").dropFirst()
    let lines = try #require(blocks.first?.components(separatedBy: "```")[0])
    #expect(lines.split(separator: "\n").count == 5)
    let scratch = try Scratch()
    // The tour's own configuration, so that its paths are those of the lines.
    var document = try JSON.parse(
      String(contentsOfFile: "\(Bench.package)/Configs/tour.json", encoding: .utf8), file: "tour.json")
    let sweep = try #require(document["sweep"]?.members)
    document.set("sweep", nil)
    document.set("$schema", nil)
    var sample = SweepSample(scratch.folder + "/Results/tour")
    (sample.name, sample.document) = ("tour", document)
    let first = try #require(sweep.first?.value.array?.first)
    try sample.write(axes: sweep.map { ($0.key, $0.value.array ?? []) }) { v in
      v["stages.map.hardware.converters.adcBits"] == first && v["seed"] == 3
        ? .diverged("no")
        : .done([("test.accuracy", 0.9 + 0.01 * (v["seed"]?.double ?? 0)), ("predict.accuracy", 0.5)])
    }
    let logits = Tensor(shape: [3, 2], values: [0, 1, 1, 0, 0, 1])
    for id in sample.ids { try Npy.write(logits, to: "\(sample.folder)/\(id)/logits.npy") }
    try lines.write(toFile: scratch.folder + "/lines.py", atomically: true, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(resultsPython))
    process.arguments = ["lines.py"]
    process.currentDirectoryURL = URL(fileURLWithPath: scratch.folder)
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(complaint)")
    #expect(text.contains("0.92") && text.contains("[1 0 1]"), "\(text)")
    #expect(try String(contentsOfFile: scratch.folder + "/accuracy.svg", encoding: .utf8).contains("<svg"))
  }

  @Test("it names every file that a run leaves")
  func files() throws {
    let lab = try Bench()
    let text = try readme()
    let stages = "{ \"train\": { \"epochs\": 1 } }, { \"predict\": {} }"
    let folder = try lab.run(
      "{ \"name\": \"lab\", \(lab.data), \"model\": \"mlp\", \"stages\": [\(stages)] }"
    ).folder
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      let kind = name.hasSuffix(".npy") ? ".npy`" : "`\(name)"
      #expect(text.contains(kind), "\(name)")
    }
    for name in ["sweep.json", "summary.csv", "timings.csv", "sweep.lock", "failure.json", "state/"] {
      #expect(text.contains("`\(name)`"))
    }
  }
}
