import Datasets
import Foundation
import Testing

/// Configs/quickstart.json: three epochs, or all of them with SIMENGINE_TEST_FULL=1.
@Suite("Bits", .serialized)
struct BitIdentityTests {
  let laboratory: CrashLaboratory
  private let config: String
  private let more = Conditions.full ? [] : ["--set", "stages.train.epochs=3"]

  init() throws {
    laboratory = try CrashLaboratory(onDisk: true)
    // A copy: what is edited while the test runs is not what it tests.
    config = laboratory.folder + "/quickstart.json"
    try DurableFile.write(try FileBytes.read(EngineProcess.package + "/Configs/quickstart.json"), to: config)
  }

  private func arguments(_ name: String, threads: Int) -> [String] {
    ["run", config, "--output", "\(laboratory.folder)/\(name)", "--threads", "\(threads)"] + more
  }

  private func run(_ name: String, threads: Int, resume: Bool = false) throws -> RunFiles {
    let ended = try EngineProcess.run(
      arguments(name, threads: threads) + (resume ? ["--resume"] : []), logs: "\(laboratory.folder)/\(name)")
    try #require(ended.status == 0, "\(ended.errors)")
    return try RunFiles("\(laboratory.folder)/\(name)")
  }

  @Test("are the same with 1, 2 and 3 threads, and after kill -9 at 20 random moments")
  func quickstart() throws {
    let started = Date()
    let reference = try run("two", threads: 2)
    let duration = Date().timeIntervalSince(started)
    #expect(reference.files.keys.contains("models/crossbar.safetensors"))
    for (name, threads) in [("one", 1), ("three", 3)] {
      let differences = try run(name, threads: threads).differences(from: reference)
      #expect(differences == [], "\(threads) threads")
    }
    // Late enough that epochs get done between the kills, early enough that most come before the run's end.
    let seed = UInt64(ProcessInfo.processInfo.environment["SIMENGINE_TEST_SEED"] ?? "") ?? 20
    var random = SeededNumbers(state: seed)
    print("kill -9 at 20 random moments: SIMENGINE_TEST_SEED=\(seed)")
    var killed = 0
    for attempt in 0... {
      if killed == 20 { break }
      try #require(attempt < 200)
      let threads = Int.random(in: 1...3, using: &random)
      let delay = Double.random(in: 0...duration / (Conditions.full ? 7.5 : 2.5), using: &random)
      let process = try EngineProcess(
        arguments("killed", threads: threads) + ["--resume"], logs: "\(laboratory.folder)/killed")
      usleep(UInt32(delay * 1e6))
      if process.isRunning {
        process.send(SIGKILL)
        killed += 1
      }
      let ended = process.wait()
      #expect(ended.signal == SIGKILL || ended.status == 0, "\(ended.errors)")
      // One that came through starts again, so that there are 20 kills.
      if ended.status == 0 {
        let differences = try RunFiles("\(laboratory.folder)/killed").differences(from: reference)
        #expect(differences == [], "after \(killed) kills")
        try FileManager.default.removeItem(atPath: "\(laboratory.folder)/killed")
      }
    }
    let differences = try run("killed", threads: 1, resume: true).differences(from: reference)
    #expect(differences == [])
  }

  @Test("are the same with 1, 2 and 3 threads for every kind of stage, augmentation, batch-norm, momentum")
  func everyStage() throws {
    let reference = try laboratory.reference("one", threads: 1)
    for threads in [2, 3, 7] {
      #expect(try laboratory.reference("\(threads)", threads: threads).differences(from: reference) == [])
    }
  }
}
