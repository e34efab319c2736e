import Compression
import Configuration
import Datasets
import LinearAlgebra
import NeuralNetworks

/// Shows what a model's answers rest on: relevance of inputs as pictures, of channels as scores, and where it is not
/// conserved.
public struct RelevanceStage: MeasuringStage {
  public var split = EvaluateStage.Part.train
  public var samples: Int?
  public var batchSize = 64
  public var layers: [String]?
  public var options = RelevanceConfiguration()
  public var images = 12
  public var inputs: [Int]?

  public init() {}
  public static let documentation =
    "Propagates the relevance of the true classes back through a model: heat maps of inputs, scores of channels, "
    + "conservation by layer, accuracy and weight of classes."
  public static let fields: [Field<RelevanceStage>] =
    [
      Field("split", \.split, .choice, "The part that is looked at; without augmentation."),
      Field("samples", \.samples, .optional(.integer(1...)), "The first samples of the part; all if left out."),
      Field("batchSize", \.batchSize, .integer(1...65536, unit: "sample"), "Samples of one pass."),
      Field(
        "layers", \.layers, .optional(.list(of: .text)),
        "Layers whose channels are scored, by name or glob; all with weights but the last if left out."),
    ] + RelevanceConfiguration.fields.map { $0.inside(\.options) } + [
      Field(
        "images", \.images, .integer(0...1000),
        "Inputs that are shown with their relevance: the first of each class in turn."),
      Field(
        "inputs", \.inputs, .optional(.list(of: .integer(0...), count: 1...1000)),
        "Instead of images: the numbers of the samples that are shown, from 0."),
    ]

  public mutating func check(_ report: inout Report) {
    options.check(&report)
    if inputs != nil && report.isWritten("images") {
      report.error("stands beside \"images\"", at: "inputs", hint: "use one of the two")
    }
    if let inputs, let samples, let i = inputs.firstIndex(where: { $0 >= samples }) {
      report.error("\(inputs[i]) is none of the first \(samples) samples", at: "inputs.\(i)", hint: "raise \"samples\"")
    }
    if let inputs, Set(inputs).count < inputs.count { report.error("names a sample twice", at: "inputs") }
  }

  public var kind: String { "relevance" }
  var measured: (key: String, split: Split)? { ("split", split.split) }
  /// Relevance, and the split weights' sums.
  var valuesPerActivation: Double { 2 }

  /// How many inputs are shown.
  private var shown: Int { inputs?.count ?? images }

  private func folder(_ label: String, _ model: String) -> String { "relevance/\(model)-\(label)" }

  public func outputPaths(label: String, models: [String]) -> [String] {
    models.flatMap { model in
      (["scores.csv", "scores.svg"] + (shown > 0 ? ["inputs.npy", "maps.svg"] : [])
        + (0..<shown).map(RelevanceMap.file)).map { "\(folder(label, model))/\($0)" }
    }
  }

  public func run(_ context: StageContext) throws {
    let run = context.run
    let model = try context.model()
    let set = try context.dataset()
    let name = context.target?.name ?? "model"
    let part = try set.part(split.split)
    let images = samples.map { part.prefix($0) } ?? part
    let scored = try scoredLayers(of: model, name)
    let workspace = Workspace(
      model, batch: min(batchSize, images.count), pool: run.pool, gradients: true, parameterGradients: false)
    workspace.seed = run.configuration.seed
    let relevance: FeatureRelevance
    do {
      relevance = try FeatureRelevance(
        workspace, options.rule, layers: scored, place: options.place, inputs: true, countsViolations: true)
    } catch let error as ModelError { throw RunError("stage \(context.label): \(error)") }
    let conservation = ConservationMeter(model, capacity: workspace.capacity)
    relevance.pass.observers.append(conservation)
    let source = try BatchSource(
      images, run.dataConfiguration(context.stage.dataset), augments: false, batch: workspace.capacity,
      seed: run.configuration.seed, pool: run.pool)
    let shown = inputs ?? Self.firstOfEachClass(images.labels, classes: set.classes, count: self.images)
    if let missing = shown.first(where: { $0 >= images.count }) {
      throw RunError("stage \(context.label): there is no sample \(missing), the \(split) part has \(images.count)")
    }
    var maps: [RelevanceMap] = []
    let order = Array(0..<images.count)
    run.progress.begin("\(context.label) \(name)", total: images.count, unit: "samples")
    for first in stride(from: 0, to: images.count, by: workspace.capacity) {
      try InterruptionFlag.check()
      let indices = order[first..<min(images.count, first + workspace.capacity)]
      source.fill(workspace.input, indices, globalSample: UInt64(first))
      try workspace.prepareArrays(step: -1)
      if workspace.needsCalibration(training: false) {
        workspace.calibrate(samples: indices.count, backward: false, globalSample: UInt64(first))
      }
      workspace.forward(samples: indices.count, training: false, globalSample: UInt64(first))
      relevance.add(samples: indices.count, labels: UnsafePointer(source.labels))
      conservation.add(samples: indices.count, input: workspace.inputGradient, size: model.inputShape.count)
      for s in shown where indices.contains(s) {
        maps.append(RelevanceMap(images, sample: s, workspace, place: s - first))
      }
      run.progress.advance(by: indices.count)
    }
    let found: FeatureRelevance.Scores
    do { found = try relevance.scores(weighsClasses: options.classWeights) } catch let error as ModelError {
      throw RunError("stage \(context.label): \(error)")
    }
    maps.sort { shown.firstIndex(of: $0.sample) ?? 0 < shown.firstIndex(of: $1.sample) ?? 0 }
    report(found, relevance, conservation, maps, set.classNames, into: &context.result)
    try write(found, scored, maps, set.classNames, context, name)
  }

  /// - Throws: a sentence when relevance cannot be propagated through a model, or `layers` names none of its.
  func check(_ model: Model, name: String) throws {
    try RelevancePass.check(model)
    _ = try scoredLayers(of: model, name)
  }

  private func scoredLayers(of model: Model, _ name: String) throws -> [Node] {
    let nodes = model.nodes.filter { !$0.layer.weights.isEmpty }
    guard let layers else { return Array(nodes.dropLast()) }
    for pattern in layers where !nodes.contains(where: { globMatches(pattern, $0.name) }) {
      throw RunError(
        "model \(name) has no layer \"\(pattern)\" with weights; \(didYouMean(pattern, among: nodes.map(\.name)))")
    }
    return nodes.filter { node in layers.contains { globMatches($0, node.name) } }
  }

  /// Numbers of samples: the first of each class, the second of each, ….
  static func firstOfEachClass(_ labels: [Int], classes: Int, count: Int) -> [Int] {
    var byClass = [[Int]](repeating: [], count: classes)
    for (i, label) in labels.enumerated() where byClass[label].count * classes < count + classes {
      byClass[label].append(i)
    }
    let turns = byClass.map(\.count).max() ?? 0
    return Array((0..<turns).flatMap { turn in byClass.compactMap { turn < $0.count ? $0[turn] : nil } }.prefix(count))
  }

  // MARK: What it leaves behind

  private func report(
    _ scores: FeatureRelevance.Scores, _ relevance: FeatureRelevance, _ conservation: ConservationMeter,
    _ maps: [RelevanceMap], _ names: [String], into result: inout StageResult
  ) {
    func name(_ c: Int) -> JSON { .string(c < names.count ? names[c] : "\(c)") }
    let violations = relevance.pass.takeViolations()
    let (outputs, violating) = violations.reduce((0, 0)) { ($0.0 + $1.outputs, $0.1 + $1.violating) }
    let samples = scores.classes.reduce(0) { $0 + $1.samples + $1.skipped }
    result.metrics = [
      ("accuracy", Double(scores.classes.reduce(0) { $0 + $1.correct }) / Double(samples)),
      ("samples", Double(samples)), ("skipped", Double(scores.skipped)),
      ("violating", outputs > 0 ? Double(violating) / Double(outputs) : 0),
      ("inputRelevance", conservation.input.sum), ("inputMagnitude", conservation.input.magnitude),
    ]
    result.tables.append(
      (
        "classes", ["class", "samples", "skipped", "accuracy", "relative", "weight"],
        scores.classes.enumerated().map { c, found in
          [
            name(c), .integer(found.samples), .integer(found.skipped), .number(found.accuracy),
            .number(found.relative), .number(found.weight),
          ]
        }
      ))
    // By layer, towards the input: how much relevance there is, and which outputs hand on something else.
    func count(_ n: Int?) -> JSON { n.map { JSON.integer($0) } ?? JSON(.null) }
    var rows: [[JSON]] = conservation.nodes.reversed().map { node, mean in
      let counted = violations.first { $0.node === node }
      return [
        .string(node.name), .string(node.layer.kind), .number(mean.sum), .number(mean.magnitude),
        count(counted?.outputs), count(counted?.violating),
      ]
    }
    let input = conservation.input
    rows.append([.string("input"), .string(""), .number(input.sum), .number(input.magnitude), count(nil), count(nil)])
    result.tables.append(("conservation", ["layer", "kind", "relevance", "magnitude", "outputs", "violating"], rows))
    result.tables.append(
      (
        "layers", ["layer", "channels", "lowest", "median", "highest"],
        zip(relevance.layers, scores.layers).map { node, scores in
          let sorted = scores.sorted()
          return [
            .string(node.name), .integer(sorted.count), .number(sorted.first ?? .nan),
            .number(sorted.isEmpty ? .nan : sorted[sorted.count / 2]), .number(sorted.last ?? .nan),
          ]
        }
      ))
    guard !maps.isEmpty else { return }
    result.tables.append(
      (
        "images", ["image", "sample", "class", "predicted", "relevance", "magnitude"],
        maps.enumerated().map { i, map in
          [
            .string(RelevanceMap.file(i)), .integer(map.sample), name(map.label), name(map.predicted),
            .number(map.sum), .number(map.magnitude),
          ]
        }
      ))
  }

  private func write(
    _ scores: FeatureRelevance.Scores, _ layers: [Node], _ maps: [RelevanceMap], _ names: [String],
    _ context: StageContext, _ model: String
  ) throws {
    let run = context.run
    func place(_ file: String) throws -> String { try run.outputPath("\(folder(context.label, model))/\(file)") }
    try CSVText.write(
      ["layer", "channel", "score"],
      zip(layers, scores.layers).flatMap { node, list in
        list.enumerated().map { [node.name, "\($0.offset)", "\($0.element)"] }
      }, to: try place("scores.csv"))
    if let first = maps.first {
      try Npy.write(
        Tensor(shape: [maps.count] + first.shape, values: maps.flatMap(\.relevance)), to: try place("inputs.npy"))
    }
    guard run.configuration.figures else { return }
    let title = "\(run.configuration.name), \(model), \(context.label)"
    try DurableFile.write(
      ScorePlots.svg(zip(layers, scores.layers).map { ($0.name, $1) }, title: "\(title): feature relevance scores"),
      to: try place("scores.svg"))
    // A vector of features is no picture.
    guard let shape = maps.first?.shape, shape.count == 3 else { return }
    for (i, map) in maps.enumerated() {
      let (width, height, pixels) = map.picture(scale: max(1, 160 / shape[0]))
      try DurableFile.write(
        PNG.encode(width: width, height: height, pixels: pixels), to: try place(RelevanceMap.file(i)))
    }
    try DurableFile.write(
      RelevanceMap.sheet(maps, names, title: "\(title): relevance of the true class"), to: try place("maps.svg"))
  }
}

/// Mean over samples of Σ R and Σ |R| at the outputs of layers, and at the input.
final class ConservationMeter: Observer {
  typealias Mean = (sum: Double, magnitude: Double)
  private let watched: [Node]
  private let places: [ObjectIdentifier: Int]
  /// [samples of a batch, nodes]
  private let batch: UnsafeMutableBufferPointer<Mean>
  private var totals: [Mean]
  private var inputTotal: Mean = (0, 0)
  private var samples = 0

  /// Watches layers with weights, and sums: what the rest does to relevance is known.
  init(_ model: Model, capacity: Int) {
    watched = model.nodes.filter { !$0.layer.weights.isEmpty || $0.layer is Add }
    places = Dictionary(uniqueKeysWithValues: watched.enumerated().map { (ObjectIdentifier($1), $0) })
    batch = .allocate(capacity: capacity * watched.count)
    batch.initialize(repeating: (0, 0))
    totals = watched.map { _ in (0, 0) }
  }

  deinit { batch.deallocate() }

  private static func mean(_ r: UnsafePointer<Float>, _ count: Int) -> Mean {
    var (sum, magnitude) = (0.0, 0.0)
    for i in 0..<count {
      sum += Double(r[i])
      magnitude += Double(abs(r[i]))
    }
    return (sum, magnitude)
  }

  func observe(_ node: Node, samples: Range<Int>, relevance: UnsafeBufferPointer<Float>) {
    guard let place = places[ObjectIdentifier(node)], let r = relevance.baseAddress else { return }
    let n = node.shape.count
    for (i, s) in samples.enumerated() { batch[s * watched.count + place] = Self.mean(r + i * n, n) }
  }

  /// Takes in a batch, in order; samples whose relevance is not finite are left out.
  func add(samples count: Int, input: UnsafePointer<Float>, size: Int) {
    for s in 0..<count {
      let row = batch[s * watched.count..<(s + 1) * watched.count]
      let own = Self.mean(input + s * size, size)
      guard own.magnitude.isFinite, row.allSatisfy({ $0.magnitude.isFinite }) else { continue }
      samples += 1
      for (k, value) in row.enumerated() {
        totals[k] = (totals[k].sum + value.sum, totals[k].magnitude + value.magnitude)
      }
      inputTotal = (inputTotal.sum + own.sum, inputTotal.magnitude + own.magnitude)
    }
  }

  private func mean(of total: Mean) -> Mean {
    let n = Double(max(1, samples))
    return (total.sum / n, total.magnitude / n)
  }

  var input: Mean { mean(of: inputTotal) }
  var nodes: [(node: Node, mean: Mean)] { zip(watched, totals).map { ($0, mean(of: $1)) } }
}
