import Configuration
import Foundation
import Testing

@testable import Experiments

@Suite("Resolved configuration and run id")
struct ConfigurationResolvedTests {
  let lab: Bench
  init() throws { lab = try Bench() }

  private func id(
    _ text: String, _ options: [String] = [], seed: UInt64? = nil, threads: Int = 1, output: String? = nil
  ) throws
    -> String
  {
    var o = RunOptions(threads: threads)
    o.output = output
    return Run(try lab.load(text, options, seed: seed), options: o).id
  }

  @Test("defaults are written out")
  func defaults() throws {
    let resolved = try lab.load(lab.text("\"model\": \"mlp\"", "{ \"train\": {} }")).experiment.resolved
    #expect(resolved["seed"] == 1)
    #expect(resolved["model"] == nil)
    #expect(resolved["models"]?["main"]?["hidden"] == [256, 128])
    #expect(resolved["models"]?["main"]?["hardware"] == ["kind": "digital", "weightNoise": 0])
    let train = try #require(resolved["stages"]?[0]?["train"])
    #expect(train["epochs"] == 10 && train["batchSize"] == 64 && train["shuffle"] == true)
    #expect(train["optimizer"]?["learningRate"] == 0.05)
    #expect(train["schedule"]?["kind"] == "constant")
  }

  @Test("the resolved configuration decodes to the same run")
  func decodesAgain() throws {
    for model in [
      "\"model\": \"mlp\"",
      "\"models\": { \"a\": \"mlp\", \"b\": { \"from\": \"a\", \"hardware\": \"crossbar\" }, \"e\": { \"ensemble\": [\"a\", \"b\"] } }",
      "\"model\": { \"layers\": [\"relu\", { \"kind\": \"linear\", \"outputs\": 4 }] }",
      "\"model\": { \"architecture\": \"mlp\", \"hardware\": { \"kind\": \"crossbar\", \"device\": \"ag-si\", \"layers\": { \"fc*\": { \"rows\": 8 } } } }",
    ] {
      let text = lab.text(model, "{ \"train\": { \"schedule\": \"cosine\" } }, { \"evaluate\": {}, \"label\": \"t\" }")
      let resolved = try lab.load(text).experiment.resolved
      #expect(try id(text) == id(resolved.written(pretty: true)))
      #expect(try lab.load(resolved.written()).experiment.resolved == resolved)
    }
  }

  @Test("the run id depends neither on the order of keys, nor comments, shorthands, threads and output")
  func independent() throws {
    let plain =
      "{ \"name\": \"a\", \"data\": \"digits\", \"model\": \"mlp\", \"stages\": [{ \"train\": { \"epochs\": 2, \"batchSize\": 8 } }] }"
    let other = """
      // A comment.
      { stages: [ { train: { batchSize: 8.0, /* twice */ epochs: 2, }, }, ],
        models: { main: { architecture: "mlp" } }, data: { dataset: "digits" }, "name": "a", seed: 1, "$schema": "x" }
      """
    let one = try id(plain)
    #expect(one.count == 12 && one.allSatisfy { $0.isHexDigit })
    #expect(try id(other) == one)
    #expect(try id(plain, threads: 7, output: "elsewhere") == one)
    #expect(try id(plain, ["stages.train.epochs=2", "data.dataset=digits"]) == one)
  }

  @Test("the run id changes with the seed and with any value")
  func dependent() throws {
    let plain = "{ \"name\": \"a\", \"data\": \"digits\", \"model\": \"mlp\", \"stages\": [{ \"train\": {} }] }"
    let ids = try [
      id(plain), id(plain, seed: 2), id(plain, ["stages.train.epochs=11"]), id(plain, ["data.limit=100"]),
      id(plain, ["model.hidden=10"]), id(plain, ["name=b"]),
    ]
    #expect(Set(ids).count == ids.count)
    #expect(try id(plain, ["seed=2"]) == ids[1])
  }

  @Test("--set goes on inside of a shorthand: data.limit.train where the file says \"digits\"")
  func shorthand() throws {
    let text = """
      { "name": "a", "data": "digits", "model": "mlp",
        "stages": [{ "train": { "optimizer": "adam" } }, { "map": { "hardware": "crossbar" } }] }
      """
    let loaded = try lab.load(
      text,
      ["data.limit.train=100", "model.hidden=[7]", "stages.train.optimizer.beta1=0.8", "stages.map.hardware.rows=16"])
    let resolved = loaded.experiment.resolved
    #expect(resolved["data"]?["dataset"] == "digits" && resolved["data"]?["limit"]?["train"] == 100)
    #expect(resolved["models"]?["main"]?["hidden"] == [7])
    #expect(resolved["stages"]?[0]?["train"]?["optimizer"]?["beta1"]?.double == 0.8)
    #expect(resolved["stages"]?[0]?["train"]?["optimizer"]?["kind"] == "adam")
    #expect(resolved["stages"]?[1]?["map"]?["hardware"]?["rows"] == 16)
  }

  @Test("extends lays the file over another, whose errors name that other file")
  func extends() throws {
    try FileManager.default.createDirectory(atPath: lab.folder + "/base", withIntermediateDirectories: true)
    try lab.write(
      "{ \"data\": \"digits\", \"model\": \"mlp\", \"stages\": [{ \"train\": { \"epochs\": 3 } }] }", "base/good.json")
    let loaded = try lab.load(
      "{ \"extends\": \"base/good.json\", \"name\": \"over\", \"model\": { \"architecture\": \"mlp\", \"hidden\": 5 } }"
    )
    #expect(loaded.experiment.models.first?.value.hidden == [5])
    #expect((loaded.experiment.stages[0].body as? TrainStage)?.epochs == 3)
    try lab.write("{\n \"data\": \"digits\", \"stages\": [{ \"train\": { \"epoch\": 3 } }] }", "base/bad.json")
    let sentence = lab.refusal("{ \"extends\": \"base/bad.json\", \"name\": \"over\", \"model\": \"mlp\" }")
    #expect(sentence.contains("base/bad.json:2:44  stages.0.train.epoch: unknown key"))
    #expect(lab.refusal("{ \"extends\": \"nothing.json\", \"name\": \"a\" }").contains("extends: "))
    #expect(lab.refusal("{ \"extends\": \"c.json\", \"name\": \"a\" }").contains("extends itself"))
  }
}
