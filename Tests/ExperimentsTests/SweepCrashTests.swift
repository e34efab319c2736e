@testable import Datasets
import Foundation
import Testing

/// A sweep whose parent and workers are killed at random moments.
@Suite("A sweep that is killed")
struct SweepCrashTests {
  let laboratory: SweepLaboratory
  init() throws { laboratory = try SweepLaboratory() }

  private static let moments = 50

  private enum Victim: String, CaseIterable { case parent, worker, both }

  @Test(
    "at random moments, parent or workers, has every point exactly once after --resume, in the bytes of an untouched one"
  )
  func kills() throws {
    let configs = [(laboratory.training, ["--set", "stages.train.epochs=12"]), (laboratory.circuit, [])]
    var random = SeededNumbers(state: 20)
    var kills: [String: Int] = [:]
    var sweeps = 0
    while kills.values.reduce(0, +) < Self.moments {
      let (config, more) = configs[sweeps % configs.count]
      let reference = try laboratory.reference(config, "reference-\(sweeps)", more + ["--jobs", "2"])
      let name = "killed-\(sweeps)"
      let folder = "\(laboratory.folder)/\(name)"
      var attempts = 0
      while true {
        attempts += 1
        try #require(attempts < 200, "the sweep does not come to its end")
        // The last attempts are left alone.
        let isKilled = attempts <= 8
        let process = try laboratory.start(
          config, name, more + ["--jobs", "2", "--resume"] + (random.next() % 3 == 0 ? ["--isolated"] : []))
        if isKilled {
          usleep(UInt32.random(in: 1_000..<400_000, using: &random))
          let victim = Victim.allCases[Int(random.next() % 3)]
          let workers = SweepRunTests.children(of: process.pid)
          if process.isRunning {
            kills[victim.rawValue, default: 0] += 1
            if victim != .parent, let worker = workers.randomElement(using: &random) { kill(worker, SIGKILL) }
            if victim != .worker { process.send(SIGKILL) }
          }
        }
        let ended = process.wait()
        // Workers end with their parent; the next sweep waits for its lock, this test for them.
        for (id, run) in (try? SweepFiles(folder))?.runs ?? [:] where run.files["result.json"] != nil {
          #expect(run.files["result.json"] == reference.runs[id]?.files["result.json"], "\(name) \(id)")
        }
        if let text = try? FileBytes.read(folder + "/summary.csv") {
          #expect(text.last == 10, "\(name): summary.csv ends within a line")
          let runs = try CSV.parse(text, name: "summary.csv").column("run") ?? []
          #expect(Set(runs).count == runs.count, "\(name): a point stands twice in summary.csv")
        }
        if ended.status == 0 { break }
        let isExpected = ended.signal == SIGKILL || ended.status == 1
        #expect(isExpected && isKilled, "\(name): \(ended.status ?? -1) \(ended.errors)")
      }
      #expect(try SweepFiles(folder).differences(from: reference) == [], "\(name)")
      sweeps += 1
    }
    print(
      "sweep crash tests: \(sweeps) sweeps, killed: \(kills.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))"
    )
  }
}
