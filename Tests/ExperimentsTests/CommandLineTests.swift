import Configuration
import Foundation
import Testing

@testable import Experiments

@Suite("Command line", .enabled(if: Engine.binary != nil, "no simengine binary: make build, or set SIMENGINE_BINARY"))
struct CommandLineTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  private let quick = "{ \"train\": { \"epochs\": 2 } }, { \"evaluate\": {}, \"label\": \"test\" }"

  private func engine(_ arguments: String...) throws -> Engine.Outcome {
    try Engine.run(arguments, in: lab.folder)
  }

  @Test("help and version go to standard output with status 0")
  func help() throws {
    for arguments in [[], ["--help"], ["run", "--help"], ["help", "compare"], ["--version"]] {
      let outcome = try Engine.run(arguments, in: lab.folder)
      #expect(outcome.status == 0 && outcome.errors.isEmpty && !outcome.output.isEmpty, "\(arguments)")
    }
    #expect(try engine().output.contains("simengine run Configs/quickstart.json"))
    let listed = try engine("--help").output
    for command in ["run", "validate", "compare", "list", "describe", "data"] {
      #expect(listed.contains("  \(command) "))
    }
  }

  @Test(
    "wrong use ends with status 2, a sentence on standard error and nothing on standard output",
    arguments: [
      (["rnu"], "rnu: no such command; did you mean \"run\"?"), (["comprae", "x"], "did you mean \"compare\"?"),
      (["run"], "Missing expected argument"), (["run", "nothing.json"], "nothing.json: no such file"),
      (["run", "."], "is a folder"), (["run", "--sed", "3", "c.json"], "Did you mean '--set'?"),
      (["run", "c.json", "--seed", "-1"], "--seed: -1 is negative"),
      (["run", "c.json", "--seed", "x"], "'x' is invalid"),
      (["run", "c.json", "--threads", "0"], "--threads: 0 is not within 1 … 64"),
      (["run", "c.json", "c.json", "--output", "o"], "--output is one run's folder, but 2"),
      (["run", "c.json", "--resume", "--force"], "give one of the two"),
      (["run", "c.json", "--set", "stages.tran.epochs=1"], "did you mean \"train\"?"),
      (["validate"], "Missing expected argument"), (["validate", "nothing.json"], "nothing.json: no such file"),
      (["list", "things"], "'things' is invalid"), (["describe", "lenet"], "did you mean \"lenet5\"?"),
      (["describe", "vgg8", "--set", "widht=2"], "did you mean \"width\""),
      (["describe", "relu", "--set", "a=1"], "relu is none"),
      (["data", "fetch", "mnist5k"], "mnist5k: no such data set; did you mean \"mnist-5k\"?"),
      (["data", "verify", "x"], "x: no such data set"), (["compare", "nowhere"], "nowhere: no such folder"),
      (["compare", "--format", "xml"], "'xml' is invalid"),
    ])
  func wrongUse(arguments: [String], part: String) throws {
    try lab.write(lab.text("\"model\": \"mlp\"", quick))
    let outcome = try Engine.run(arguments, in: lab.folder)
    #expect(outcome.status == 2)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
  }

  @Test("a run prints its table on standard output; again, it is reported and not repeated; --force repeats it")
  func run() throws {
    try lab.write(lab.text("\"model\": \"mlp\"", quick))
    let first = try engine("run", "c.json")
    #expect(first.status == 0 && first.errors.isEmpty)
    #expect(first.output.contains("test accuracy") && first.output.contains("Results: Results/lab/"))
    let folder = try #require(first.output.split(separator: "\n").last?.dropFirst("Results: ".count)).description
    let path = "\(lab.folder)/\(folder)/result.json"
    let before = try String(contentsOfFile: path, encoding: .utf8)
    let second = try engine("run", "c.json")
    #expect(second.status == 0 && second.output == first.output)
    #expect(second.errors.contains("already finished; --force runs it again"))
    #expect(try String(contentsOfFile: path, encoding: .utf8) == before)
    try "{}".write(toFile: "\(lab.folder)/\(folder)/epochs.csv", atomically: true, encoding: .utf8)
    #expect(try engine("run", "c.json", "--force").status == 0)
    #expect(try String(contentsOfFile: "\(lab.folder)/\(folder)/epochs.csv", encoding: .utf8) != "{}")
  }

  @Test("--json prints result.json alone, --quiet nothing")
  func json() throws {
    try lab.write(lab.text("\"model\": \"mlp\"", quick))
    let outcome = try engine("run", "c.json", "--json", "--output", "here")
    #expect(outcome.status == 0 && outcome.errors.isEmpty)
    let json = try JSON.parse(outcome.output, dialect: .strict)
    #expect(json["status"] == "done")
    #expect(try String(contentsOfFile: lab.folder + "/here/result.json", encoding: .utf8) == outcome.output)
    let quiet = try engine("run", "c.json", "--quiet", "--output", "there")
    #expect(quiet.status == 0 && quiet.output.isEmpty && quiet.errors.isEmpty)
  }

  @Test("--seed, --set and several configurations; each run has its folder")
  func several() throws {
    try lab.write(lab.text("\"model\": \"mlp\"", quick))
    try lab.write(lab.text("\"model\": { \"architecture\": \"mlp\", \"hidden\": 5 }", quick), "d.json")
    let outcome = try engine("run", "c.json", "d.json", "--seed", "7", "--set", "stages.train.epochs=1", "--quiet")
    #expect(outcome.status == 0)
    let runs = try FileManager.default.contentsOfDirectory(atPath: lab.folder + "/Results/lab")
    #expect(runs.count == 2)
    for run in runs {
      let json = try JSON.parse(String(contentsOfFile: "\(lab.folder)/Results/lab/\(run)/result.json", encoding: .utf8))
      #expect(json["seed"] == 7 && json["config"]?["stages"]?[0]?["train"]?["epochs"] == 1)
    }
    let table = try engine("compare")
    #expect(table.status == 0 && table.output.contains("hidden"))
  }

  @Test("a wrong configuration ends run with status 2 and leaves no folder behind")
  func wrongConfiguration() throws {
    try lab.write(lab.text("\"model\": \"lenet5\"", quick))
    let outcome = try engine("run", "c.json")
    #expect(outcome.status == 2 && outcome.output.isEmpty)
    #expect(outcome.errors.contains("c.json:1:") && outcome.errors.contains("does not fit"))
    #expect(!FileManager.default.fileExists(atPath: lab.folder + "/Results"))
  }

  @Test("a configuration with a sweep is refused with a hint; without the sweep it runs")
  func sweep() throws {
    try lab.write(lab.text("\"model\": \"mlp\"", quick, more: ", \"sweep\": { \"seed\": [1, 2] }"))
    let refused = try engine("run", "c.json")
    #expect(
      refused.status == 2 && refused.errors.contains("sweep: the configuration is a sweep")
        && refused.errors.contains("--set 'sweep={}'"))
    #expect(try engine("run", "c.json", "--set", "sweep={}").status == 0)
    #expect(try engine("validate", "c.json").status == 0)
  }

  @Test("validate lists every file and every error; --resolved prints a configuration that is valid again")
  func validate() throws {
    try lab.write(lab.text("\"model\": \"mlp\"", quick), "good.json")
    try lab.write("{ \"name\": \"a\", \"stages\": 3 ", "broken.json")
    try lab.write(lab.text("\"model\": \"mpl\"", "{ \"train\": { \"epoch\": 1 } }"), "bad.json")
    let outcome = try engine("validate", "broken.json", "good.json", "bad.json", "none.json")
    #expect(outcome.status == 2 && outcome.output == "good.json: valid\n")
    for part in [
      "broken.json:", "bad.json:1:", "model.architecture", "stages.0.train.epoch: unknown key", "2 errors.",
      "none.json: no such file",
    ] {
      #expect(outcome.errors.contains(part), "\(outcome.errors)")
    }
    let resolved = try engine("validate", "good.json", "--resolved")
    #expect(resolved.status == 0 && resolved.errors.isEmpty)
    try lab.write(resolved.output, "resolved.json")
    let again = try engine("validate", "resolved.json", "--resolved")
    #expect(again.status == 0 && again.output == resolved.output)
  }

  @Test("training that diverges ends with status 1, says so on standard error, and --json still prints the result")
  func diverged() throws {
    try lab.write(
      lab.text(
        "\"model\": \"mlp\"",
        "{ \"train\": { \"epochs\": 9, \"loss\": \"mean-squared-error\", \"optimizer\": { \"learningRate\": 1000 } } }")
    )
    let outcome = try engine("run", "c.json", "--json")
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("diverged at step ") && outcome.errors.contains("layer fc"))
    #expect(try JSON.parse(outcome.output, dialect: .strict)["status"] == "diverged")
  }

  @Test("Ctrl-C ends with status 130 and a way on; the unfinished run is not silently begun anew")
  func interrupted() throws {
    try lab.write(
      "{ \"name\": \"long\", \"data\": \"mnist-5k\", \"model\": \"mlp\", \"stages\": [{ \"train\": { \"epochs\": 100000 } }] }"
    )
    let outcome = try Engine.run(
      ["run", "c.json", "--threads", "1", "--output", "o"], in: lab.folder,
      interruptAfter: "o/state/checkpoint.safetensors")
    #expect(outcome.status == 130 && outcome.output.isEmpty)
    #expect(outcome.errors.contains("interrupted") && outcome.errors.contains("--resume"))
    let again = try engine("run", "c.json", "--output", "o")
    #expect(again.status != 0 && again.errors.contains("--resume goes on with it, --force starts over"))
  }

  @Test("list and describe know every name that a configuration can hold")
  func catalogue() throws {
    let all = try engine("list").output
    for kind in Catalogue.allCases {
      for entry in kind.entries {
        #expect(all.contains(entry.name))
        let outcome = try engine("describe", entry.name)
        #expect(outcome.status == 0 && outcome.output.contains(entry.name), "\(entry.name)")
      }
    }
    let linear = try engine("describe", "linear").output
    #expect(linear.contains("layer linear:") && linear.contains("device linear:"), "one name, two things")
    #expect(try engine("describe", "ag-si").output.contains("0.3"), "a preset shows its own values")
    #expect(try engine("describe", "lenet5").output.contains("416,520"))
    #expect(try engine("describe", "mlp", "--set", "hidden=[3]").output.contains("3×784"))
    #expect(try engine("describe", "train").output.contains("`simengine describe train.prune`"))
    let prune = try engine("describe", "train.prune").output
    for key in ["start", "interval", "end", "removeAtEnd", "share"] { #expect(prune.contains("\n\(key) "), "\(key)") }
    #expect(try engine("describe", "data.augment").output.contains("padding"))
  }

  @Test("data verify compares checksums of the embedded sets")
  func data() throws {
    let outcome = try engine("data", "verify", "digits")
    #expect(outcome.status == 0 && outcome.output.contains("as published") && !outcome.output.contains("DIFFERS"))
    #expect(try engine("data", "list").output.contains("mnist-5k"))
    #expect(try engine("data", "fetch", "digits").output == "digits: here\n")
    // What was named and is not here is no success; news about all of them is.
    #expect(try engine("data", "fetch").status == 0)
    let advice = "no: simengine data fetch "
    for line in try engine("data", "list").output.split(separator: "\n") {
      guard let range = line.range(of: advice) else { continue }
      let outcome = try engine("data", "fetch", String(line[range.upperBound...]))
      #expect(outcome.status == 1 && !outcome.output.isEmpty, "\(line)")
    }
  }
}
