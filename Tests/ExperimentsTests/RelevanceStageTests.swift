import Configuration
import Datasets
import Foundation
import Testing

@testable import Experiments

@Suite("relevance stage") struct RelevanceStageTests {
  private let model = """
    "model": { "layers": [
      { "kind": "conv2d", "outputs": 6, "kernel": 3, "padding": 1, "name": "conv1" }, "batch-norm", "relu",
      { "kind": "max-pool", "size": 2 },
      { "kind": "conv2d", "outputs": 5, "kernel": 3, "padding": 1, "name": "conv2" }, "relu",
      { "kind": "linear", "outputs": 4, "name": "fc" } ] }
    """
  private let train = #"{ "train": { "epochs": 2, "batchSize": 16, "optimizer": { "learningRate": 0.1 } } }"#

  private func stage(_ json: JSON, _ i: Int = 1) -> JSON { json["stages"]!.array![i] }
  private func column(_ table: JSON?, _ name: String) -> [JSON] {
    guard let k = table?["columns"]?.array?.firstIndex(where: { $0.string == name }) else { return [] }
    return (table?["rows"]?.array ?? []).map { $0.array![k] }
  }

  @Test("it writes scores, relevance of inputs, pictures, and tables of classes and conservation")
  func writes() throws {
    let bench = try Bench()
    let text = bench.text(model, #"\#(train), { "relevance": { "images": 6 } }"#)
      .replacingOccurrences(of: #""figures": false"#, with: #""figures": true"#)
    let (json, folder) = try bench.run(text)
    let tables = stage(json)["tables"]
    let classes = tables?["classes"]
    #expect(column(classes, "samples").compactMap(\.int).reduce(0, +) == 48)
    let weights = column(classes, "weight").compactMap(\.double)
    #expect(weights.count == 4 && abs(weights.min()! - 0.7311) < 5e-5)
    // The true class has 1 at the outputs, and what the layers make of it is told for each.
    let conservation = tables?["conservation"]
    #expect(column(conservation, "layer").compactMap(\.string) == ["fc", "conv2", "conv1", "input"])
    #expect(column(conservation, "relevance").first?.double == 1)
    #expect(column(conservation, "outputs").first?.int == 48)
    #expect(column(tables?["layers"], "channels").compactMap(\.int) == [6, 5])
    let place = "\(folder)/relevance/main-relevance"
    let inputs = try Npy.read("\(place)/inputs.npy")
    #expect(inputs.shape == [6, 8, 8, 1] || inputs.shape == [6, 8, 8])
    let sums = column(tables?["images"], "relevance").compactMap(\.double)
    let values = inputs.tensor.values
    for (i, sum) in sums.enumerated() {
      #expect(abs(values[i * 64..<(i + 1) * 64].reduce(0.0) { $0 + Double($1) } - sum) < 1e-5)
    }
    // The first of each class in turn.
    #expect(column(tables?["images"], "class").prefix(4).compactMap(\.string).sorted() == ["0", "1", "2", "3"])
    let scores = try String(contentsOfFile: "\(place)/scores.csv", encoding: .utf8)
    #expect(scores.split(separator: "\n").count == 1 + 6 + 5)
    for file in ["scores.svg", "maps.svg"] + (1...6).map({ "map-\($0).png" }) {
      #expect(FileManager.default.fileExists(atPath: "\(place)/\(file)"), "\(file)")
    }
    for file in ["scores.svg", "maps.svg"] {
      #expect(XMLCheck.isWellFormed(try String(contentsOfFile: "\(place)/\(file)", encoding: .utf8)))
    }
  }

  @Test("inputs can be chosen by their numbers")
  func chosen() throws {
    let bench = try Bench()
    let (json, _) = try bench.run(bench.text(model, #"\#(train), { "relevance": { "inputs": [17, 3] } }"#))
    #expect(column(stage(json)["tables"]?["images"], "sample").compactMap(\.int) == [17, 3])
    func refusal(_ keys: String) -> String {
      bench.refusal(bench.text(model, "\(train), { \"relevance\": { \(keys) } }"))
    }
    #expect(refusal(#""inputs": [3, 48]"#).contains("there is no sample 48"))
    #expect(refusal(#""inputs": [3, 9], "samples": 9"#).contains("9 is none of the first 9 samples"))
    #expect(refusal(#""inputs": [3], "images": 2"#).contains("stands beside"))
    #expect(refusal(#""inputs": [3, 3]"#).contains("names a sample twice"))
  }

  @Test("the bytes do not depend on threads")
  func threads() throws {
    let bench = try Bench()
    let text = bench.text(model, #"\#(train), { "relevance": { "batchSize": 32 } }"#)
    let (one, two) = (try bench.run(text), try bench.run(text, threads: 2))
    #expect(stage(one.json) == stage(two.json))
    for file in ["scores.csv", "inputs.npy"] {
      #expect(
        try FileBytes.read("\(one.folder)/relevance/main-relevance/\(file)")
          == FileBytes.read("\(two.folder)/relevance/main-relevance/\(file)"))
    }
  }

  @Test("batch-norm folded is not batch-norm ignored, and classes can count alike")
  func options() throws {
    let bench = try Bench()
    let (json, _) = try bench.run(
      bench.text(
        model,
        """
        \(train), { "relevance": {}, "label": "a" }, { "relevance": { "batchNorm": "folded" }, "label": "b" },
        { "relevance": { "classWeights": false, "layers": ["conv*"], "samples": 40 }, "label": "c" }
        """))
    let highest = (1...3).map { column(stage(json, $0)["tables"]?["layers"], "highest").compactMap(\.double) }
    // Under conv1 there is nothing but the input: what a norm changes is seen there.
    let input = (1...3).map { stage(json, $0)["metrics"]!["inputMagnitude"]!.double! }
    #expect(input[0] != input[1])
    #expect(highest[2].count == 2)
    #expect(column(stage(json, 3)["tables"]?["classes"], "weight").allSatisfy { $0.double == 1 })
    #expect(stage(json, 3)["metrics"]!["samples"]!.double == 40)
  }

  @Test("on a crossbar the weights are those that its devices hold")
  func crossbar() throws {
    let bench = try Bench()
    let (json, _) = try bench.run(
      bench.text(
        model,
        """
        \(train), { "map": { "hardware": { "kind": "crossbar", "rows": 32, "columns": 32,
          "device": { "levels": 4 } } } }, { "relevance": {} }
        """))
    #expect(column(stage(json, 2)["tables"]?["conservation"], "relevance").allSatisfy { $0.double!.isFinite })
  }

  @Test("training prunes by relevance, to the same bytes whatever the threads")
  func criterion() throws {
    let bench = try Bench()
    let text = bench.text(
      model,
      """
      { "train": { "epochs": 4, "batchSize": 16, "optimizer": { "learningRate": 0.1, "momentum": 0.9 },
        "prune": { "criterion": { "kind": "relevance", "batchNorm": "folded" }, "count": 2, "end": 2 , "layers": ["conv*"] } } },
      { "evaluate": {} }
      """)
    let (one, two) = (try bench.run(text), try bench.run(text, threads: 2))
    #expect(one.json["stages"] == two.json["stages"])
    #expect(
      try FileBytes.read("\(one.folder)/models/main.safetensors")
        == FileBytes.read("\(two.folder)/models/main.safetensors"))
    #expect(stage(one.json, 0)["metrics"]?["channels"]?.double == 7)
  }

  @Test("an imbalanced training part has fewer samples of its rare classes, drawn by the seed, and says how they fare")
  func imbalance() throws {
    let bench = try Bench()
    func run(_ seed: Int) throws -> JSON {
      let text = bench.text(model, #"{ "relevance": { "images": 0 } }, { "evaluate": {} }"#)
        .replacingOccurrences(
          of: #""data": {"#, with: #""data": { "imbalance": { "classes": [1, 3], "keep": 0.25, "seed": \#(seed) },"#)
      return try bench.run(text).json
    }
    let json = try run(1)
    #expect(column(stage(json, 0)["tables"]?["classes"], "samples").compactMap(\.int) == [12, 3, 12, 3])
    let metrics = stage(json, 1)["metrics"]
    #expect(metrics?["rareClassAccuracy"]?.double != nil && metrics?["worstClassAccuracy"]?.double != nil)
    #expect(try run(1)["stages"] == json["stages"])
    #expect(try run(2)["stages"] != json["stages"])
    let plain = try bench.run(bench.text(model, #"{ "evaluate": {} }"#)).json
    #expect(stage(plain, 0)["metrics"]?["rareClassAccuracy"] == nil)
  }

  // MARK: Bad input

  private func refusal(_ text: String) throws -> String {
    let bench = try Bench()
    do {
      _ = try bench.run(text.replacingOccurrences(of: "DATA", with: bench.data))
      return ""
    } catch { return "\(error)" }
  }

  private func text(_ model: String, _ stages: String) -> String {
    "{ \"name\": \"lab\", \"figures\": false, DATA, \(model), \"stages\": [\(stages)] }"
  }

  /// The data with more keys.
  private func bench(_ keys: String) throws -> String {
    try Bench().data.replacingOccurrences(of: #""data": {"#, with: #""data": { "# + keys)
  }

  @Test("bad input is answered in a sentence")
  func badInput() throws {
    #expect(
      try refusal(text(model, #"{ "relevance": { "alpha": 2, "beta": 0.5 } }"#)).contains(
        "alpha − beta is 1.5, and relevance is conserved where it is 1"))
    #expect(
      try refusal(text(model, #"{ "relevance": { "layers": ["conv9"] } }"#)).contains(
        "model main has no layer \"conv9\" with weights; did you mean \"conv1\"?"))
    #expect(
      try refusal(text(model, #"{ "relevance": { "samples": 2 } }"#)).contains(
        "among the first 2 of the train part, and relevance is a mean over classes"))
    let last = #""model": { "layers": [ { "kind": "linear", "outputs": 4, "name": "fc" }, "relu" ] }"#
    #expect(try refusal(text(last, #"{ "relevance": {} }"#)).contains("starts from the outputs of a classifier"))
    #expect(
      try refusal(
        text(model, #"{ "relevance": {} }"#).replacingOccurrences(
          of: "DATA", with: try bench(#""imbalance": { "classes": [9] }, "#))
      ).contains("class 9 is to be made rare, but there are classes 0 to 3"))
    #expect(
      try refusal(
        text(
          last,
          #"{ "train": { "prune": { "criterion": "relevance", "count": 1, "layers": ["fc"] } } }"#)
      ).contains("starts from the outputs of a classifier"))
    let ensemble = """
      "models": { "a": { "architecture": "mlp" }, "b": { "architecture": "mlp", "seed": 2 },
        "both": { "ensemble": ["a", "b"] } }
      """
    #expect(
      try refusal(text(ensemble, #"{ "relevance": {}, "models": ["both"] }"#)).contains(
        "\"both\" is an ensemble, which relevance cannot work on"))
  }
}

/// Enough of XML to know that a figure can be opened.
enum XMLCheck {
  static func isWellFormed(_ text: String) -> Bool {
    var open: [Substring] = []
    var rest = text[...]
    while let start = rest.firstIndex(of: "<") {
      guard let end = rest[start...].firstIndex(of: ">") else { return false }
      let tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.hasPrefix("/") {
        guard open.popLast() == tag.dropFirst() else { return false }
      } else if !tag.hasSuffix("/") && !tag.hasPrefix("?") {
        open.append(tag.prefix { $0 != " " && $0 != "\n" })
      }
      if tag.count(where: { $0 == "\"" }) % 2 != 0 { return false }
    }
    return open.isEmpty && !text.contains("& ")
  }
}
