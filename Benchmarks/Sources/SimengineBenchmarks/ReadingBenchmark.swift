import Foundation

/// How long `simengine compare` and `simengine report` take over a sweep's folder of so many runs, by the clock from start
/// to end of the process.
///
/// The folder is made here as a sweep leaves it: Configs/tour.json's resolved configuration with other values, a result.json
/// of some seven kilobytes and an epochs.csv of fifteen lines a run.
struct ReadingBenchmark {
  let binary: String
  let rounds: Int
  private let folder = FileManager.default.temporaryDirectory.path + "/simengine-reading-\(UUID().uuidString)"

  private static let adc = "stages.map.hardware.converters.adcBits"
  private static let wire = "stages.map.hardware.circuit.wireResistance"

  func compare(runs: Int) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try make(runs)
    let sweep = folder + "/Results/reading"
    let pivot = ["compare", sweep, "--rows", "wireResistance", "--columns", "adcBits"]
    report("compare, \(runs) runs, pivot", try times(pivot))
    report("compare, \(runs) runs, all rows, baseline", try times(["compare", sweep, "--baseline", "adcBits=8"]))
    try FileManager.default.removeItem(atPath: sweep + "/summary.csv")
    report("compare, \(runs) runs, without summary.csv", try times(pivot))
    try FileManager.default.removeItem(atPath: sweep + "/sweep.json")
    report("compare, \(runs) runs, without sweep.json either", try times(pivot))
  }

  func page(runs: Int) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try make(runs)
    let page = folder + "/report.html"
    let times = try times(["report", folder + "/Results/reading", "--output", page])
    let size = try FileManager.default.attributesOfItem(atPath: page)[.size] as? Int ?? 0
    report("report, \(runs) runs", times)
    print("report, \(runs) runs: \(format(Double(size) / 1e6, 2)) MB")
  }

  private func report(_ what: String, _ seconds: [Double]) { print("\(what): \(spread(seconds, 2)) s") }

  private func times(_ arguments: [String]) throws -> [Double] {
    try (0..<rounds).map { _ in try Lap.of { try self.run(arguments) }.wall }
  }

  @discardableResult
  private func run(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: binary)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw PeerError(description: "\(arguments) ended with an error") }
    return String(decoding: text, as: UTF8.self)
  }

  // MARK: The folder

  private func make(_ count: Int) throws {
    say("making a folder of \(count) runs")
    let sweep = folder + "/Results/reading"
    try FileManager.default.createDirectory(atPath: sweep, withIntermediateDirectories: true)
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../..")
      .standardized.path
    let resolved = try run([
      "validate", root + "/Configs/tour.json", "--set", "sweep={}", "--set", "name=reading", "--resolved",
    ])
    let seeds = 5
    let bits = Array(3...12)
    let wires = (0..<max(1, count / (seeds * bits.count))).map { 0.5 + 0.25 * Double($0) }
    var points: [String] = []
    var summary =
      "run,status,\(Self.adc),\(Self.wire),seed,train.trainLoss,train.testAccuracy,test.accuracy,test.energyPerSample,message\n"
    var timings = "run,seconds\n"
    for b in bits {
      for wire in wires {
        for seed in 1...seeds {
          let number = points.count
          let id = String(format: "%012llx", (UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15) >> 16)
          let diverges = number % 97 == 13
          let accuracy = 0.98 - 0.3 * exp(-0.6 * Double(b)) - 0.002 * wire + 0.001 * Double(number * 7919 % 101) / 101
          let energy = 2e-9 * pow(1.4, Double(b))
          let metrics =
            diverges
            ? ""
            : "\"train.trainLoss\": \(1 - accuracy), \"train.testAccuracy\": \(accuracy), \"test.accuracy\": \(accuracy), \"test.energyPerSample\": \(energy)"
          let message = diverges ? "the loss is not finite in epoch 3" : ""
          try write(
            sweep, id, resolved, bits: b, wire: wire, seed: seed, status: diverges ? "diverged" : "done", metrics,
            message)
          points.append(
            "{ \"id\": \"\(id)\", \"values\": { \"\(Self.adc)\": \(b), \"\(Self.wire)\": \(wire), \"seed\": \(seed) } }"
          )
          summary +=
            "\(id),\(diverges ? "diverged" : "done"),\(b),\(wire),\(seed),"
            + (diverges ? ",,,," : "\(1 - accuracy),\(accuracy),\(accuracy),\(energy),") + message + "\n"
          timings += "\(id),2.5\n"
        }
      }
    }
    let document = """
      { "name": "reading", "version": "0.1.0", "folder": ".", "config": \(resolved),
        "sweep": { "\(Self.adc)": \(bits), "\(Self.wire)": \(wires), "seed": \(Array(1...seeds)) },
        "axes": [{ "paths": ["\(Self.adc)"] }, { "paths": ["\(Self.wire)"] }, { "paths": ["seed"] }],
        "points": [\(points.joined(separator: ",\n"))] }
      """
    try document.write(toFile: sweep + "/sweep.json", atomically: false, encoding: .utf8)
    Thread.sleep(forTimeInterval: 0.05)
    try summary.write(toFile: sweep + "/summary.csv", atomically: false, encoding: .utf8)
    try timings.write(toFile: sweep + "/timings.csv", atomically: false, encoding: .utf8)
  }

  private func write(
    _ sweep: String, _ id: String, _ resolved: String, bits: Int, wire: Double, seed: Int, status: String,
    _ metrics: String, _ message: String
  ) throws {
    let run = "\(sweep)/\(id)"
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: false)
    let config = resolved.trimmingCharacters(in: .whitespacesAndNewlines)
      .replacingOccurrences(of: "\"adcBits\": 8", with: "\"adcBits\": \(bits)")
      .replacingOccurrences(of: "\"wireResistance\": 2.5", with: "\"wireResistance\": \(wire)")
      .replacingOccurrences(of: "\n  \"seed\": 1,", with: "\n  \"seed\": \(seed),")
    try config.write(toFile: run + "/config.json", atomically: false, encoding: .utf8)
    let epochs = (1...15).map { 2.3 * exp(-0.3 * Double($0)) + 0.01 * Double(seed) }
    let series = epochs.map { "        \($0)" }.joined(separator: ",\n")
    let names = ["learningRate", "trainLoss", "trainAccuracy", "testAccuracy"]
    let lists = names.map { "\"\($0)\": [\n\(series)\n      ]" }.joined(separator: ",\n      ")
    let result = """
      {
        "name": "reading",
        "runID": "\(id)",
        "status": "\(status)",
        "seed": \(seed),
        "version": "0.1.0",
        "config": \(config.replacingOccurrences(of: "\n", with: "\n  ")),
        "stages": [
          { "stage": "train", "label": "train", "model": "main", "metrics": {}, "series": {
            \(lists) }, "tables": {} }
        ],
        "metrics": { \(metrics) },
        "machine": {
          "processor": "AMD EPYC",
          "cores": 2,
          "threads": 1,
          "blas": "OpenBLAS 0.3.21, Zen",
          "kernels": "AVX-512"
        },
        "timings": { "train": 2.1, "test": 0.4 }\(message.isEmpty ? "" : ",\n  \"message\": \"\(message)\"")
      }

      """
    try result.write(toFile: run + "/result.json", atomically: false, encoding: .utf8)
    let lines = epochs.enumerated().map {
      "main,train,\($0.offset + 1),0.1,\($0.element),\(1 - $0.element / 2.4),\(1 - $0.element / 2.3)"
    }
    let table =
      "model,stage,epoch,learningRate,trainLoss,trainAccuracy,testAccuracy\n" + lines.joined(separator: "\n") + "\n"
    try table.write(toFile: run + "/epochs.csv", atomically: false, encoding: .utf8)
  }
}
