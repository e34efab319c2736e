import Foundation

/// The effective matrix of one crossbar, ours and SciPy's SuperLU in turn, on one thread; prints one table.
func circuitComparison(python: String, rounds: Int) throws {
  let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../peers/circuit_superlu.py").standardized.path
  print("effective matrix, one thread, \(rounds) rounds: medians in ms of wall clock")
  for size in [32, 64, 128] {
    var ours: [Double] = []
    var theirs: [Double] = []
    var losses = (0.0, 0.0)
    for _ in 0..<rounds {
      let own = try circuitBenchmark(size: size, repeats: 21)
      ours.append(own.medianSeconds)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: python)
      process.arguments = [script, "--sizes", "\(size)", "--repeats", "3"]
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      let data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      guard let line = String(decoding: data, as: UTF8.self).split(separator: "\n").last,
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
        let total = object["total"] as? Double
      else {
        print("circuit_superlu.py gave no figures for \(size)")
        return
      }
      theirs.append(total)
      losses = (own.meanLoss, object["meanLoss"] as? Double ?? .nan)
    }
    func ms(_ v: [Double]) -> String { "\((median(v) * 1e5).rounded() / 100)" }
    print(
      "\(size)×\(size): ours \(ms(ours)), SuperLU \(ms(theirs)), ratio "
        + "\((median(theirs) / median(ours) * 10).rounded() / 10) (mean loss \(losses.0) and \(losses.1))")
  }
}
