import Configuration
import Foundation
import Testing

@testable import Datasets

/// What a run does about other processes, signals, full and read-only disks.
@Suite("A run's folder")
struct CrashFolderTests {
  let laboratory: CrashLaboratory

  init() throws { laboratory = try CrashLaboratory() }

  private func start(_ name: String, _ more: [String], environment: [String: String] = [:]) throws -> EngineProcess {
    try EngineProcess(
      laboratory.arguments("\(laboratory.folder)/\(name)", more), logs: "\(laboratory.folder)/\(name)",
      environment: environment)
  }

  /// Waits until a run has written its first epoch.
  private func awaitEpoch(_ name: String, _ process: EngineProcess) throws {
    while access("\(laboratory.folder)/\(name)/epochs.csv", F_OK) != 0 {
      try #require(process.isRunning, "\(process.wait().errors)")
      usleep(500)
    }
  }

  @Test(
    "is one process's: a second is refused with status 2 and touches nothing; so is an unfinished run without --resume")
  func secondProcess() throws {
    let long = ["--set", "stages.0.train.epochs=1000000"]
    let first = try start("shared", long)
    try awaitEpoch("shared", first)
    let unfinished = "\(laboratory.folder)/shared/.x.1-0" + DurableFile.temporarySuffix
    #expect(FileManager.default.createFile(atPath: unfinished, contents: nil))
    for more in [[], ["--resume"], ["--force"]] {
      let second = try EngineProcess.run(
        laboratory.arguments("\(laboratory.folder)/shared", long + more), logs: "\(laboratory.folder)/second")
      #expect(second.status == 2)
      #expect(second.errors.contains("another process is running this experiment"), "\(second.errors)")
    }
    #expect(access(unfinished, F_OK) == 0, "a temporary file of the process at work was swept away")
    #expect(first.isRunning)
    first.send(SIGKILL)
    first.wait()
    let plain = try laboratory.run("shared", long)
    #expect(plain.status == 2)
    #expect(plain.errors.contains("an unfinished run lies here; --resume goes on with it, --force starts over"))
    let other = try laboratory.run("shared", ["--seed", "9", "--resume"])
    #expect(other.status == 2)
    #expect(other.errors.contains("has another configuration"))
    #expect(try laboratory.run("shared", ["--force"]).status == 0)
    #expect(try RunFiles("\(laboratory.folder)/shared") == laboratory.reference("clean"))
  }

  @Test("that holds a finished run is reported, not run again; another configuration there is refused")
  func finished() throws {
    let reference = try laboratory.reference("done")
    let result = "\(laboratory.folder)/done/result.json"
    func number() throws -> Int {
      try #require(try FileManager.default.attributesOfItem(atPath: result)[.systemFileNumber] as? Int)
    }
    let before = try number()
    for more in [[], ["--resume"]] {
      let again = try laboratory.run("done", more)
      #expect(again.status == 0)
      #expect(again.errors.contains("already finished; --force runs it again"))
      #expect(again.output.contains("Results: "))
      #expect(try number() == before)
    }
    let other = try laboratory.run("done", ["--seed", "4"])
    #expect(other.status == 2)
    #expect(other.errors.contains("holds another experiment's results"))
    #expect(try laboratory.run("done", ["--force"]).status == 0)
    #expect(try number() != before)
    #expect(try RunFiles("\(laboratory.folder)/done").differences(from: reference) == [])
  }

  @Test("with a result.json that is somebody else's, or that cannot be read, is refused and kept")
  func foreignResult() throws {
    try DurableFile.makeFolders("\(laboratory.folder)/foreign")
    try DurableFile.write("mine", to: "\(laboratory.folder)/foreign/result.json")
    for more in [[], ["--resume"], ["--force"]] {
      let ended = try laboratory.run("foreign", more)
      #expect(ended.status == 2)
      #expect(ended.errors.contains("is not a run's result"))
    }
    #expect(try FileBytes.read("\(laboratory.folder)/foreign/result.json") == Array("mine".utf8))
    try DurableFile.makeFolders("\(laboratory.folder)/folder/result.json")
    let ended = try laboratory.run("folder", ["--resume"])
    #expect(ended.status == 1)
    #expect(ended.errors.contains("folder/result.json: is a folder"))
  }

  @Test("is left as it was when a run cannot begin")
  func cannotBegin() throws {
    try DurableFile.write("no weights", to: "\(laboratory.folder)/w.safetensors")
    let ended = try laboratory.run("beginning", ["--set", "models.ideal.initialWeights=w.safetensors"])
    #expect(ended.status == 1 || ended.status == 2)
    #expect(ended.errors.contains("w.safetensors"))
    #expect(access("\(laboratory.folder)/beginning", F_OK) != 0)
  }

  @Test(
    "after Ctrl-C or SIGTERM: status 130, nothing half-written, and --resume ends in the same bytes",
    arguments: [SIGINT, SIGTERM])
  func interrupted(_ signal: Int32) throws {
    let long = ["--set", "stages.0.train.epochs=300"]
    let reference = try laboratory.reference("reference", long)
    var random = SeededNumbers(state: UInt64(signal))
    for attempt in 0..<3 {
      let name = "stopped-\(attempt)"
      let process = try start(name, long)
      try awaitEpoch(name, process)
      usleep(UInt32.random(in: 0..<60_000, using: &random))
      process.send(signal)
      let ended = process.wait()
      #expect(ended.status == 130, "\(ended.status ?? -1), signal \(ended.signal)")
      #expect(
        ended.errors.contains(
          "interrupted; what was done is kept in \(laboratory.folder)/\(name). Go on with: --resume"))
      #expect(RunFiles.wrong(in: "\(laboratory.folder)/\(name)", reference: reference, allowsPartial: false) == [])
      #expect(try laboratory.run(name, long + ["--resume"]).status == 0)
      #expect(try RunFiles("\(laboratory.folder)/\(name)").differences(from: reference) == [])
      // Seconds before the interruption count too.
      let result = try JSON.parse(FileBytes.read("\(laboratory.folder)/\(name)/result.json"), dialect: .strict)
      let seconds = try #require(result["timings"])
      for epochs in seconds.members ?? [] where epochs.key.hasSuffix(".epochs") {
        let whole = seconds[String(epochs.key.dropLast(".epochs".count))]?.double ?? 0
        #expect(whole + 0.01 >= epochs.value.double ?? 0, "\(epochs.key)")
      }
    }
  }

  @Test(
    "Ctrl-C while gnuplot draws interrupts the run instead of finishing it without figures",
    .enabled(if: Conditions.gnuplot, "no gnuplot"))
  func interruptedFigures() throws {
    let more = ["--set", "figures=true"]
    let reference = try laboratory.reference("reference", more)
    let bin = "\(laboratory.folder)/bin"
    try DurableFile.makeFolders(bin)
    // A terminal sends the signal to both.
    try DurableFile.write("#!/bin/sh\nkill -INT $PPID\nkill -KILL $$\n", to: bin + "/gnuplot")
    chmod(bin + "/gnuplot", 0o755)
    let path = bin + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")
    let ended = try start("drawing", more, environment: ["PATH": path]).wait()
    #expect(ended.status == 130, "\(ended.errors)")
    #expect(try laboratory.run("drawing", more + ["--resume"]).status == 0)
    #expect(try RunFiles("\(laboratory.folder)/drawing").differences(from: reference) == [])
  }

  @Test(
    "a table that cannot be printed (a full disk behind standard output) is status 1; the results are whole",
    .enabled(if: access("/dev/full", W_OK) == 0, "no /dev/full"))
  func standardOutput() throws {
    let ended = try start("printing", [], environment: ["STDOUT": "/dev/full"]).wait()
    #expect(ended.status == 1)
    #expect(ended.errors.contains("standard output: cannot be written: No space left on device"))
    #expect(try RunFiles("\(laboratory.folder)/printing").differences(from: laboratory.reference("reference")) == [])
  }

  @Test(
    "on a read-only disk, a run is refused with a sentence",
    .enabled(if: Conditions.mounts, "NO RIGHT TO MOUNT: not tested on a read-only disk"))
  func readOnly() throws {
    let place = "\(laboratory.folder)/read-only"
    try DurableFile.makeFolders(place)
    try #require(mount("tmpfs", place, "tmpfs", UInt(MS_RDONLY), "size=64k") == 0)
    defer { umount2(place, Int32(MNT_DETACH)) }
    let ended = try EngineProcess.run(laboratory.arguments(place + "/run"), logs: "\(laboratory.folder)/log")
    #expect(ended.status == 1)
    #expect(ended.errors == "\(place)/run: cannot make this folder: Read-only file system\n")
  }

  @Test("as a user who may not write there, a run is refused with a sentence")
  func notWritable() throws {
    let place = "\(laboratory.folder)/closed"
    try DurableFile.makeFolders(place)
    chmod(place, 0o555)
    chmod(laboratory.folder, 0o755)
    let tracer = geteuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
    let ended = try EngineProcess.run(
      laboratory.arguments(place + "/run"), tracer: tracer, logs: "\(laboratory.folder)/log")
    #expect(ended.status == 1)
    #expect(ended.errors == "\(place)/run: cannot make this folder: Permission denied\n")
  }

  @Test(
    "on a disk that fills up: status 1, a sentence, nothing wrong; with more room --resume ends in the same bytes",
    .enabled(if: Conditions.mounts, "NO RIGHT TO MOUNT: not tested on a full disk"))
  func fullDisk() throws {
    let reference = try laboratory.reference("reference")
    let place = "\(laboratory.folder)/small"
    try DurableFile.makeFolders(place)
    var failed = 0
    for size in stride(from: 4, through: 96, by: 4) {
      try #require(mount("tmpfs", place, "tmpfs", 0, "size=\(size)k") == 0)
      defer { umount2(place, Int32(MNT_DETACH)) }
      let output = place + "/run"
      let ended = try EngineProcess.run(laboratory.arguments(output), logs: "\(laboratory.folder)/log")
      if ended.status != 0 {
        failed += 1
        #expect(ended.status == 1)
        #expect(ended.errors.contains(output) && ended.errors.contains("No space left on device"), "\(ended.errors)")
        #expect(RunFiles.wrong(in: output, reference: reference, allowsPartial: false) == [])
        try #require(mount("tmpfs", place, "tmpfs", UInt(MS_REMOUNT), "size=1m") == 0)
        let resumed = try EngineProcess.run(
          laboratory.arguments(output, ["--resume"]), logs: "\(laboratory.folder)/log")
        #expect(resumed.status == 0, "\(resumed.errors)")
      }
      #expect(try RunFiles(output).differences(from: reference) == [])
    }
    #expect(failed > 5)
  }

  @Test("may vanish under a run: a sentence and status 1")
  func vanished() throws {
    let process = try start("vanishing", ["--set", "stages.0.train.epochs=1000000"])
    try awaitEpoch("vanishing", process)
    rename("\(laboratory.folder)/vanishing", "\(laboratory.folder)/elsewhere")
    let ended = process.wait()
    #expect(ended.status == 1)
    #expect(ended.errors.contains("\(laboratory.folder)/vanishing/"))
  }

  @Test("an output outside of it is swept of what dead processes left of that very file, and of nothing else")
  func staleElsewhere() throws {
    let place = laboratory.folder + "/elsewhere"
    try DurableFile.makeFolders(place)
    let suffix = DurableFile.temporarySuffix
    // The highest process number there can be is nobody's.
    let names = [".x.4194304-0", ".x.4194304-12", ".x.\(getpid())-0", ".x.y.4194304-0", ".x.4194304-z"].map {
      $0 + suffix
    }
    for name in names { #expect(FileManager.default.createFile(atPath: place + "/" + name, contents: nil)) }
    #expect(try DurableFile.removeStale(of: place + "/x") == 2)
    #expect(Set(try FileManager.default.contentsOfDirectory(atPath: place)) == Set(names[2...]))
  }
}
