import Configuration
@testable import Datasets
import Experiments
import Foundation
import Testing

/// Sweeps as users start them.
@Suite("A sweep")
struct SweepRunTests {
  let laboratory: SweepLaboratory
  init() throws { laboratory = try SweepLaboratory() }

  private func exists(_ path: String) -> Bool { access("\(laboratory.folder)/\(path)", F_OK) == 0 }

  private func json(_ path: String) throws -> JSON {
    try JSON.parse(try FileBytes.read("\(laboratory.folder)/\(path)"), dialect: .strict)
  }

  @Test("leaves sweep.json, a folder for each run, summary.csv and timings.csv in its order, and nothing else")
  func folder() throws {
    let ended = try laboratory.sweep(laboratory.circuit, "a", ["--jobs", "2"])
    #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended.errors)")
    #expect(ended.output == "24 points: 24 done\nResults: \(laboratory.folder)/a\n")
    let sweep = try json("a/sweep.json")
    let points = try #require(sweep["points"]?.array)
    #expect(points.count == 24 && sweep["config"]?["sweep"] == nil && sweep["sweep"]?.members?.count == 2)
    #expect(points[1]["values"]?["stages.circuit.conductance.random.seed"] == 2)
    let summary = try laboratory.summary("a")
    #expect(
      summary.header == [
        "run", "status", "hardware.circuit.wireResistance", "stages.circuit.conductance.random.seed", "circuit.vectors",
        "circuit.meanLoss", "circuit.maxLoss", "circuit.largestCurrent", "message",
      ])
    #expect(summary.column("run") == points.compactMap { $0["id"]?.string })
    #expect(summary.column("status")?.allSatisfy { $0 == "done" } == true)
    #expect(try CSV.read("\(laboratory.folder)/a/timings.csv").column("run") == summary.column("run"))
    let run = try #require(points[0]["id"]?.string)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: "\(laboratory.folder)/a/\(run)").sorted() == [
        "config.json", "result.json",
      ])
    #expect(try SweepFiles("\(laboratory.folder)/a").strange == [])
    #expect(!exists("a/sweep.lock"))
    // The table says what the runs say, to the last digit.
    for (i, id) in (summary.column("run") ?? []).enumerated() {
      let result = try json("a/\(id)/result.json")
      #expect(result["metrics"]?["circuit.meanLoss"]?.written() == summary.rows[i][5])
    }
  }

  @Test("gives the same bytes with one worker or two, warm or isolated, in shards, and as single runs")
  func sameBytes() throws {
    let reference = try laboratory.reference(laboratory.training, "reference", ["--jobs", "1"])
    #expect(reference.runs.count == 6)
    for (name, more) in [
      ("two", ["--jobs", "2"]), ("isolated", ["--jobs", "2", "--isolated"]),
      ("threads", ["--jobs", "1", "--threads", "2"]),
    ] {
      let ended = try laboratory.sweep(laboratory.training, name, more)
      #expect(ended.status == 0, "\(ended.errors)")
      #expect(try SweepFiles("\(laboratory.folder)/\(name)").differences(from: reference) == [], "\(name)")
    }
    let shards = try (1...3).map { try laboratory.start(laboratory.training, "shards", ["--shard", "\($0)/3"]) }
    for shard in shards { #expect(shard.wait().status == 0, "\(shard.wait().errors)") }
    #expect(!exists("shards/summary.csv"))
    #expect(try laboratory.sweep(laboratory.training, "shards", ["--collect"]).status == 0)
    #expect(try SweepFiles("\(laboratory.folder)/shards").differences(from: reference) == [])
    let id = try #require(reference.runs.keys.sorted().first)
    let point = try #require(
      try json("reference/sweep.json")["points"]?.array?.first { $0["id"]?.string == id }?["values"]?.members)
    let ended = try EngineProcess.run(
      ["run", laboratory.training, "--set", "sweep={}"]
        + point.flatMap { ["--set", "\($0.key)=\($0.value.written())"] }
        + ["--output", "\(laboratory.folder)/single/\(id)"], logs: "\(laboratory.folder)/single")
    #expect(ended.status == 0, "\(ended.errors)")
    let single = try RunFiles("\(laboratory.folder)/single/\(id)")
    for name in ["config.json", "result.json", "epochs.csv"] {
      #expect(single.files[name] == reference.runs[id]?.files[name], "\(name)")
    }
  }

  @Test("that was started is refused without --resume, which runs what is missing alone; a finished one is reported")
  func resume() throws {
    let first = try laboratory.sweep(
      laboratory.circuit, "b", ["--only", "wireResistance=1", "--only", "wireResistance=5"])
    #expect(first.status == 0 && first.output.hasPrefix("12 points: 12 done"), "\(first.errors)")
    let again = try laboratory.sweep(laboratory.circuit, "b")
    #expect(again.status == 2)
    #expect(again.errors.contains("12 of 24 points are done; --resume runs the others"), "\(again.errors)")
    let id = try #require(try laboratory.summary("b").column("run")?.first)
    func inode() throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: "\(laboratory.folder)/b/\(id)/result.json")[.systemFileNumber]
        as? Int
    }
    let before = try inode()
    let resumed = try laboratory.sweep(laboratory.circuit, "b", ["--resume"])
    #expect(resumed.status == 0 && resumed.output.hasPrefix("24 points: 24 done"), "\(resumed.errors)")
    #expect(try inode() == before)
    #expect(
      try SweepFiles("\(laboratory.folder)/b").differences(from: laboratory.reference(laboratory.circuit, "whole"))
        == [])
    let finished = try laboratory.sweep(laboratory.circuit, "b")
    #expect(finished.status == 0 && finished.output == resumed.output, "\(finished.errors)")
  }

  @Test("whose configuration or axes changed is refused, saying where; --extend adds points")
  func changed() throws {
    _ = try laboratory.reference(laboratory.circuit, "c")
    for (more, part) in [
      (
        ["--set", "hardware.circuit.driverResistance=50"],
        "differs at hardware.circuit.driverResistance (there 100, here 50)"
      ),
      (
        ["--set", "sweep.\"hardware.circuit.wireResistance\"=[0, 1, 3, 5]"],
        "its axis hardware.circuit.wireResistance has the value 2.5"
      ),
      (["--set", "sweep={ seed: [1] }"], "it has an axis hardware.circuit.wireResistance, which this one lacks"),
    ] {
      let ended = try laboratory.sweep(laboratory.circuit, "c", ["--resume"] + more)
      #expect(ended.status == 2 && ended.errors.contains(part), "\(ended.errors)")
    }
    for more in [
      ["--set", "sweep.\"hardware.circuit.wireResistance\"=[5, 2.5, 1, 0]"],
      [
        "--set",
        "sweep={ \"stages.circuit.conductance.random.seed\": [1, 2, 3, 4, 5, 6], \"hardware.circuit.wireResistance\": [0, 1, 2.5, 5] }",
      ],
    ] {
      let ended = try laboratory.sweep(laboratory.circuit, "c", ["--resume"] + more)
      #expect(
        ended.status == 2 && ended.errors.contains("holds these points in another order (its ax"), "\(ended.errors)")
    }
    // What is reordered as well is not what is told.
    let both = try laboratory.sweep(
      laboratory.circuit, "c",
      [
        "--resume", "--set", "sweep.\"hardware.circuit.wireResistance\"=[5, 2.5, 1, 0]", "--set",
        "sweep.\"stages.circuit.conductance.random.seed\"=[1, 2, 3, 4, 5, 7]",
      ])
    #expect(both.errors.contains("random.seed has the value 6, which this one lacks"), "\(both.errors)")
    let wider = ["--set", "sweep.\"hardware.circuit.wireResistance\"=[0, 0.5, 1, 2.5, 5]"]
    let refused = try laboratory.sweep(laboratory.circuit, "c", ["--resume"] + wider)
    #expect(refused.status == 2 && refused.errors.contains("--resume --extend adds the others"), "\(refused.errors)")
    let extended = try laboratory.sweep(laboratory.circuit, "c", ["--resume", "--extend"] + wider)
    #expect(extended.status == 0 && extended.output.hasPrefix("30 points: 30 done"), "\(extended.errors)")
    #expect(
      try SweepFiles("\(laboratory.folder)/c").differences(
        from: laboratory.reference(laboratory.circuit, "wider", wider)) == [])
  }

  @Test("records a point that diverges as a result, and one that fails with its sentence; failures are run again")
  func failures() throws {
    let text = String(decoding: try FileBytes.read(laboratory.training), as: UTF8.self)
      .replacingOccurrences(
        of: "\"batchSize\": 16", with: "\"batchSize\": 16, \"loss\": \"mean-squared-error\", \"measure\": \"none\""
      )
      .replacingOccurrences(of: "[0.02, 0.05]", with: "[0.02, 1000]")
    let config = laboratory.folder + "/diverging.json"
    try DurableFile.write(text, to: config)
    let ended = try laboratory.sweep(config, "d", ["--jobs", "2"])
    #expect(ended.status == 0, "\(ended.errors)")
    #expect(ended.output.hasPrefix("6 points: 3 done, 3 diverged"), "\(ended.output)")
    let summary = try laboratory.summary("d")
    #expect(summary.column("status") == ["done", "done", "done", "diverged", "diverged", "diverged"])
    #expect(summary.column("message")?[5].contains("diverged at step") == true)
    #expect(try laboratory.sweep(config, "d", ["--resume"]).output.hasPrefix("6 points: 3 done, 3 diverged"))

    // A folder where a run wants a file: that point fails, and the others do not.
    let id = try #require(try json("d/sweep.json")["points"]?[1]?["id"]?.string)
    try FileManager.default.removeItem(atPath: "\(laboratory.folder)/d/\(id)")
    try DurableFile.makeFolders("\(laboratory.folder)/d/\(id)/epochs.csv/x")
    let failed = try laboratory.sweep(config, "d", ["--resume"])
    #expect(failed.status == 1 && failed.output.hasPrefix("6 points: 2 done, 3 diverged, 1 failed"), "\(failed.errors)")
    #expect(failed.errors.contains("failed: optimizer.learningRate=0.02, seed=2 (\(id)): "), "\(failed.errors)")
    #expect(try json("d/\(id)/failure.json")["point"]?["seed"] == 2)
    #expect(try laboratory.summary("d").column("status")?[1] == "failed")
    try FileManager.default.removeItem(atPath: "\(laboratory.folder)/d/\(id)/epochs.csv")
    let mended = try laboratory.sweep(config, "d", ["--resume"])
    #expect(mended.status == 0 && mended.output.hasPrefix("6 points: 3 done, 3 diverged"), "\(mended.errors)")
    #expect(!exists("d/\(id)/failure.json"))
    #expect(try SweepFiles("\(laboratory.folder)/d").differences(from: laboratory.reference(config, "mended")) == [])
  }

  @Test("stops by itself when its first ten points fail alike, and at the first with --fail-fast")
  func stops() throws {
    let config = laboratory.folder + "/failing.json"
    let text = String(decoding: try FileBytes.read(laboratory.circuit), as: UTF8.self)
      .replacingOccurrences(
        of: "\"vectors\": 4 } } } }", with: "\"vectors\": 4 } }, \"output\": \"/proc/no/such/file.npy\" } }")
    try DurableFile.write(text, to: config)
    let ended = try laboratory.sweep(config, "e", ["--jobs", "1"])
    #expect(
      ended.status == 1 && ended.errors.contains("stopped: the first 10 points all failed alike"), "\(ended.errors)")
    #expect(ended.output.hasPrefix("24 points: 0 done, 10 failed, 14 left"), "\(ended.output)")
    #expect(ended.errors.components(separatedBy: "failed: ").count == 2, "the first alone is told: \(ended.errors)")
    let fast = try laboratory.sweep(config, "f", ["--jobs", "1", "--fail-fast"])
    #expect(fast.status == 1 && fast.output.hasPrefix("24 points: 0 done, 1 failed, 23 left"), "\(fast.output)")
  }

  @Test("limits of time and memory end one run each, and say so")
  func limits() throws {
    let slow = ["--set", "stages.train.epochs=1000000", "--jobs", "2", "--only", "seed=1"]
    let timed = try laboratory.sweep(laboratory.training, "g", slow + ["--time-limit", "0.5"])
    #expect(timed.status == 1, "\(timed.errors)")
    #expect(
      try laboratory.summary("g").column("message")?.allSatisfy { $0 == "took longer than the time limit of 0.5 s" }
        == true)
    let hungry = try laboratory.sweep(laboratory.training, "h", slow + ["--memory-limit", "4M", "--time-limit", "20"])
    #expect(hungry.status == 1, "\(hungry.errors)")
    #expect(
      try laboratory.summary("h").column("message")?.allSatisfy { $0.contains("more than the limit of 4 MB") } == true)
  }

  @Test("limits hold for runs that end before anybody has looked")
  func limitsOfShortRuns() throws {
    for (name, limit, part) in [
      ("short", ["--time-limit", "0.00001"], "took longer than the time limit"),
      ("small", ["--memory-limit", "1M"], "more than the limit of 1 MB"),
    ] {
      let ended = try laboratory.sweep(laboratory.circuit, name, limit + ["--only", "wireResistance=1", "--jobs", "2"])
      #expect(ended.status == 1 && ended.output.hasPrefix("6 points: 0 done, 6 failed"), "\(ended.errors)")
      let summary = try laboratory.summary(name)
      #expect(summary.column("message")?.allSatisfy { $0.contains(part) } == true, "\(summary.rows)")
      for id in summary.column("run") ?? [] { #expect(!exists("\(name)/\(id)/result.json")) }
      #expect(try laboratory.sweep(laboratory.circuit, name, ["--resume"]).output.hasPrefix("24 points: 24 done"))
    }
    #expect(
      try SweepFiles("\(laboratory.folder)/short").differences(from: SweepFiles("\(laboratory.folder)/small")) == [])
  }

  @Test("shards that have points in common run each once, and leave to the other what it is at")
  func overlappingShards() throws {
    let long = ["--set", "stages.train.epochs=300"]
    let reference = try laboratory.reference(laboratory.training, "reference", long)
    let shards = try [["1/1"], ["1/1", "--only", "seed=1", "--only", "seed=2"], ["1/2"], ["2/2"]].map {
      try laboratory.start(laboratory.training, "common", long + ["--jobs", "2", "--resume", "--shard"] + $0)
    }
    for shard in shards {
      let ended = shard.wait()
      #expect(ended.status == 0, "\(ended.errors)")
    }
    let collected = try laboratory.sweep(laboratory.training, "common", long + ["--collect"])
    #expect(collected.output.hasPrefix("6 points: 6 done"), "\(collected.output)")
    #expect(try SweepFiles("\(laboratory.folder)/common").differences(from: reference) == [])
  }

  @Test("a shard tries a run again that another process is at, and says with status 1 if it still is")
  func busyRun() throws {
    _ = try laboratory.sweep(laboratory.circuit, "busy", ["--only", "wireResistance=1"])
    let points = try #require(try json("busy/sweep.json")["points"]?.array)
    let id = try #require(points.first { $0["values"]?["hardware.circuit.wireResistance"] == 5 }?["id"]?.string)
    let other = RunFolder("\(laboratory.folder)/busy/\(id)")
    _ = try other.take()
    let shard = try laboratory.sweep(laboratory.circuit, "busy", ["--shard", "1/1", "--resume"])
    #expect(shard.status == 1 && shard.output.hasPrefix("24 points: 23 done, 1 left"), "\(shard.output)")
    #expect(shard.errors.contains("1 point is still being run by another process"), "\(shard.errors)")
    // One that lets go without a result, as it does when it dies, leaves the run to who waits.
    let waiting = try laboratory.start(laboratory.circuit, "busy", ["--shard", "1/1", "--resume"])
    usleep(1_200_000)
    #expect(waiting.isRunning)
    other.leave()
    let rest = waiting.wait()
    #expect(rest.status == 0 && rest.output.hasPrefix("24 points: 24 done"), "\(rest.errors)")
    for point in points { #expect(!exists("busy/\(point["id"]?.string ?? "")/state")) }
  }

  @Test("a worker that dies loses its point alone, which names the signal; another takes its place")
  func workerDies() throws {
    let long = ["--set", "stages.train.epochs=200000", "--jobs", "2"]
    let process = try laboratory.start(laboratory.training, "i", long)
    var workers: [pid_t] = []
    while workers.count < 2 {
      try #require(process.isRunning, "\(process.wait().errors)")
      usleep(20_000)
      workers = Self.children(of: process.pid)
    }
    usleep(300_000)
    kill(workers[0], SIGKILL)
    while try !laboratory.folderHasFailure("i") { usleep(20_000) }
    #expect(process.isRunning)
    while Self.children(of: process.pid).count < 2 {
      try #require(process.isRunning)
      usleep(20_000)
    }
    process.send(SIGTERM)
    let ended = process.wait()
    #expect(ended.status == 130, "\(ended.errors)")
    #expect(
      ended.errors.contains("failed: optimizer.learningRate=0.0") && ended.errors.contains("signal 9"),
      "\(ended.errors)")
    #expect(ended.errors.contains("Go on with: --resume"))
  }

  @Test("a worker that alone gets a signal to end hands its point back, and another goes on with it")
  func workerInterrupted() throws {
    let long = ["--set", "stages.train.epochs=400"]
    let reference = try laboratory.reference(laboratory.training, "reference", long)
    for (name, more) in [("whole", []), ("shard", ["--shard", "1/1"])] {
      let process = try laboratory.start(laboratory.training, name, long + more + ["--jobs", "1"])
      // At its very start, and when it is at a run.
      for pause: UInt32 in [1_000, 150_000, 20_000, 150_000] {
        while Self.children(of: process.pid).isEmpty {
          try #require(process.isRunning, "\(process.wait().errors)")
          usleep(2_000)
        }
        usleep(pause)
        for worker in Self.children(of: process.pid) { kill(worker, SIGTERM) }
      }
      let ended = process.wait()
      #expect(ended.status == 0 && ended.output.hasPrefix("6 points: 6 done"), "\(ended.output)\(ended.errors)")
      if !more.isEmpty { try laboratory.sweep(laboratory.training, name, long + ["--collect"]) }
      #expect(try SweepFiles("\(laboratory.folder)/\(name)").differences(from: reference) == [])
    }
  }

  @Test("a run that is killed for a limit just after it wrote its result has failed, and has no result")
  func killedAfterResult() throws {
    // A worker that writes the result of whatever it is given, and hangs.
    let worker = laboratory.folder + "/worker.sh"
    try DurableFile.write(
      """
      #!/bin/sh
      while read -r line; do
        output=$(printf '%s' "$line" | sed 's/.*"output": *"\\([^"]*\\)".*/\\1/')
        mkdir -p "$output"
        echo '{}' > "$output/config.json"
        echo "{ \\"runID\\": \\"${output##*/}\\", \\"status\\": \\"done\\", \\"metrics\\": {}, \\"timings\\": {} }" > "$output/result.json"
        exec sleep 1000
      done
      """, to: worker)
    chmod(worker, 0o755)
    var options = SweepOptions()
    options.executable = worker
    options.output = laboratory.folder + "/killed"
    options.only = ["wireResistance=1", "random.seed=1"]
    options.timeLimit = 0.5
    options.jobs = 1
    options.quiet = true
    let outcome = try SweepRunner(SweepPlan(path: laboratory.circuit), options: options).run()
    #expect(outcome.failed == 1 && outcome.done == 0)
    let id = try #require(try laboratory.summary("killed").column("run")?.first)
    #expect(exists("killed/\(id)/config.json") && exists("killed/\(id)/failure.json"))
    #expect(!exists("killed/\(id)/result.json"))
  }

  /// The processes that have this parent.
  static func children(of parent: pid_t) -> [pid_t] {
    let text = (try? String(contentsOfFile: "/proc/\(parent)/task/\(parent)/children", encoding: .utf8)) ?? ""
    return text.split(separator: " ").compactMap { pid_t($0) }
  }

  @Test(
    "stopped by Ctrl-C, SIGTERM or SIGUSR1: status 130, workers end, and --resume ends in the same bytes",
    arguments: [SIGINT, SIGTERM, SIGUSR1])
  func interrupted(_ signal: Int32) throws {
    let long = ["--set", "stages.train.epochs=400", "--jobs", "2"]
    let reference = try laboratory.reference(laboratory.training, "reference", long)
    let process = try laboratory.start(laboratory.training, "stopped", long)
    while !exists("stopped/sweep.json") || Self.children(of: process.pid).count < 2 {
      try #require(process.isRunning, "\(process.wait().errors)")
      usleep(5_000)
    }
    usleep(250_000)
    let workers = Self.children(of: process.pid)
    process.send(signal)
    let ended = process.wait()
    #expect(ended.status == 130, "\(ended.status ?? -1): \(ended.errors)")
    #expect(
      ended.errors.contains("interrupted; what was done is kept in \(laboratory.folder)/stopped. Go on with: --resume"))
    for worker in workers { #expect(kill(worker, 0) != 0) }
    let resumed = try laboratory.sweep(laboratory.training, "stopped", long + ["--resume"])
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try SweepFiles("\(laboratory.folder)/stopped").differences(from: reference) == [])
  }

  @Test("a second sweep in the same folder is refused with who has it; so is --collect while a whole sweep writes")
  func locked() throws {
    let long = ["--set", "stages.train.epochs=1000000", "--jobs", "1"]
    let process = try laboratory.start(laboratory.training, "j", long)
    while Self.children(of: process.pid).isEmpty { usleep(5_000) }
    for more in [["--resume"], ["--resume", "--shard", "1/2"]] {
      let second = try EngineProcess.run(
        ["sweep", laboratory.training, "--output", "\(laboratory.folder)/j"] + long + more,
        logs: "\(laboratory.folder)/second")
      #expect(second.status == 2)
      #expect(second.errors.contains("the sweep is being run by process \(process.pid) on "), "\(second.errors)")
    }
    process.send(SIGKILL)
    process.wait()
    // Its workers end with it, and its lock with them.
    let next = try laboratory.sweep(laboratory.training, "j", long + ["--resume", "--time-limit", "0.2"])
    #expect(next.status == 1 && next.output.hasPrefix("6 points: 0 done, 6 failed"), "\(next.errors)")
  }

  @Test("a result that is damaged, somebody else's or gone is made again, with a sentence")
  func damaged() throws {
    let reference = try laboratory.reference(laboratory.circuit, "k")
    let ids = try laboratory.summary("k").column("run") ?? []
    func path(_ i: Int, _ name: String) -> String { "\(laboratory.folder)/k/\(ids[i])/\(name)" }
    try DurableFile.write("{ \"status\": \"do", to: path(0, "result.json"))
    try DurableFile.write(try FileBytes.read(path(2, "result.json")), to: path(1, "result.json"))
    try FileManager.default.removeItem(atPath: "\(laboratory.folder)/k/\(ids[3])")
    try FileManager.default.removeItem(atPath: path(4, "config.json"))
    try DurableFile.write("", to: path(5, "result.json"))
    let ended = try laboratory.sweep(laboratory.circuit, "k", ["--resume"])
    #expect(ended.status == 0 && ended.output.hasPrefix("24 points: 24 done"), "\(ended.errors)")
    #expect(ended.errors.contains("\(path(0, "result.json")): is damaged"))
    #expect(ended.errors.contains("is the result of another run (\(ids[2]))"))
    #expect(ended.errors.contains("lost its config.json"))
    #expect(try SweepFiles("\(laboratory.folder)/k").differences(from: reference) == [])
    try DurableFile.write("no sweep", to: "\(laboratory.folder)/k/sweep.json")
    let refused = try laboratory.sweep(laboratory.circuit, "k", ["--resume"])
    #expect(
      refused.status == 2 && refused.errors.contains("sweep.json: cannot be read as a sweep"), "\(refused.errors)")
  }

  @Test("wrong use is refused before anything runs")
  func wrongUse() throws {
    for (more, part) in [
      (["--jobs", "200", "--threads", "9"], "threads on"), (["--shard", "5/4"], "--shard 5/4: expected I/N"),
      (["--only", "nothing"], "--only nothing: no point has this label or id"),
      (["--keep", "weights"], "--keep weights: expected models"),
      (["--time-limit", "soon"], "--time-limit soon"), (["--memory-limit", "0"], "--memory-limit 0"),
      (["--extend"], "give --resume as well"),
      (["--collect"], "there is nothing to collect"), (["--commands"], "give both"),
      (["--collect", "--jobs", "2"], "so --jobs would do nothing"),
      (["--collect", "--keep", "models"], "so --keep would do nothing"),
      (["--slurm", "--fail-fast"], "--fail-fast: a task knows nothing of the others"),
      (["--slurm", "--sbatch-option", "mem=1G", "--sbatch-option", "mem=2G"], "mem: is given twice"),
    ] {
      let ended = try EngineProcess.run(
        ["sweep", laboratory.circuit, "--output", "\(laboratory.folder)/l"] + more, logs: "\(laboratory.folder)/log")
      #expect(ended.status == 2 && ended.output.isEmpty && ended.errors.contains(part), "\(more): \(ended.errors)")
      #expect(!exists("l"))
    }
  }

  @Test("--dry-run tells points, time and files, and leaves nothing behind; --commands prints runs that do the same")
  func preview() throws {
    let ended = try laboratory.sweep(laboratory.circuit, "m", ["--dry-run", "--jobs", "2"])
    #expect(ended.status == 0 && !exists("m"), "\(ended.errors)")
    for part in [
      "24 points, none done yet", "Runs at a time: 2", "Time: about", "trial of", "Files: about 48 in 24 folders",
    ] {
      #expect(ended.output.contains(part), "\(ended.output)")
    }
    let commands = try laboratory.sweep(
      laboratory.circuit, "m", ["--dry-run", "--commands", "--only", "wireResistance=1"])
    let lines = commands.output.split(separator: "\n")
    #expect(lines.count == 6)
    try DurableFile.write(
      "simengine() { '\(EngineProcess.binary)' \"$@\" --quiet; }\n" + commands.output,
      to: laboratory.folder + "/runs.sh")
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-e", laboratory.folder + "/runs.sh"]
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0)
    let rest = try laboratory.sweep(laboratory.circuit, "m", ["--dry-run"])
    #expect(
      rest.output.contains("6 done, 18 to run") && rest.output.contains("mean of 6 runs already done"), "\(rest.output)"
    )
    #expect(try laboratory.sweep(laboratory.circuit, "m").status == 0)
  }

  @Test("--keep keeps weights and figures", .enabled(if: Conditions.gnuplot, "no gnuplot"))
  func keep() throws {
    let ended = try laboratory.sweep(
      laboratory.training, "n", ["--keep", "models,figures", "--set", "figures=true", "--only", "seed=1"])
    #expect(ended.status == 0, "\(ended.errors)")
    let id = try #require(try laboratory.summary("n").column("run")?.first)
    #expect(exists("n/\(id)/models/ideal.safetensors") && exists("n/\(id)/figures"))
    let circuit = try laboratory.sweep(laboratory.circuit, "o", ["--keep", "currents"])
    #expect(circuit.status == 0)
    let first = try #require(try laboratory.summary("o").column("run")?.first)
    #expect(exists("o/\(first)/currents.npy"))
    // Of what has ended nothing can be kept any more; what was kept is.
    #expect(try laboratory.sweep(laboratory.circuit, "o", ["--keep", "currents"]).status == 0)
    // Which is no reason to refuse: a circuit has no models, and the same command twice is no mistake.
    try FileManager.default.removeItem(atPath: "\(laboratory.folder)/o/summary.csv")
    let late = try laboratory.sweep(laboratory.circuit, "o", ["--keep", "currents,models"])
    #expect(late.status == 0 && late.errors.contains("every point is done, without models"), "\(late.errors)")
    #expect(exists("o/summary.csv"))
  }

  @Test(
    "on a disk that fills up: status 1, a sentence; with more room --resume ends in the same bytes",
    .enabled(if: Conditions.mounts, "NO RIGHT TO MOUNT: not tested on a full disk"))
  func fullDisk() throws {
    let reference = try laboratory.reference(laboratory.circuit, "reference")
    let place = "\(laboratory.folder)/small"
    try DurableFile.makeFolders(place)
    var failed = 0
    for size in [8, 16, 24, 40, 64, 96, 160] {
      try #require(mount("tmpfs", place, "tmpfs", 0, "size=\(size)k") == 0)
      defer { umount2(place, Int32(MNT_DETACH)) }
      let ended = try EngineProcess.run(
        ["sweep", laboratory.circuit, "--output", "\(place)/sweep", "--jobs", "2"], logs: "\(laboratory.folder)/log")
      if ended.status != 0 {
        failed += 1
        #expect(ended.status == 1, "\(size) kB: \(ended.errors)")
        #expect(
          ended.errors.contains("No space left on device") || ended.errors.contains("failed: see failure.json")
            || ended.errors.contains("failed alike"), "\(size) kB: \(ended.errors)")
        try #require(mount("tmpfs", place, "tmpfs", UInt(MS_REMOUNT), "size=4m") == 0)
        let resumed = try EngineProcess.run(
          ["sweep", laboratory.circuit, "--output", "\(place)/sweep", "--resume"], logs: "\(laboratory.folder)/resumed")
        #expect(resumed.status == 0, "\(size) kB: \(resumed.errors)")
      }
      #expect(try SweepFiles("\(place)/sweep").differences(from: reference) == [], "\(size) kB")
    }
    #expect(failed > 3)
  }

  @Test("in a folder that may not be written to, a sweep is refused with a sentence")
  func readOnly() throws {
    let place = "\(laboratory.folder)/closed"
    try DurableFile.makeFolders(place)
    chmod(place, 0o555)
    chmod(laboratory.folder, 0o755)
    let tracer = geteuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
    let ended = try EngineProcess.run(
      ["sweep", laboratory.circuit, "--output", place + "/sweep"], tracer: tracer, logs: "\(laboratory.folder)/log")
    #expect(ended.status == 1)
    #expect(ended.errors.hasPrefix("\(place)/sweep: cannot make this folder: Permission denied"), "\(ended.errors)")
  }
}

extension SweepLaboratory {
  /// Whether a run of the sweep has failed.
  func folderHasFailure(_ name: String) throws -> Bool {
    try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(name)").contains {
      access("\(folder)/\(name)/\($0)/failure.json", F_OK) == 0
    }
  }
}
