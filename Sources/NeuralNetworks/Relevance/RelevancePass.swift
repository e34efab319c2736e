import LinearAlgebra

/// Relevance from a model's output back to its layers: the third verb of layers, beside forward and backward.
///
/// A forward pass in evaluation mode comes first; then `run` starts from 1 at each sample's true class and 0 at the
/// others, whatever the outputs are, and hands that back by a `RelevanceRule`. The relevance of a node's output stands
/// where a backward pass has its gradient, so a node that runs in its input's memory shares it; `observers` see that of
/// every node that is reached. Pieces of sixteen samples run side by side, and a sample's relevance depends on no other.
public final class RelevancePass {
  public let workspace: Workspace
  public let rule: RelevanceRule
  public var observers: [any Observer] = []

  private let splits: [SplitWeights?]
  /// By node + 1, the model's input first: whether relevance is handed down to it.
  private let isReached: [Bool]
  /// The batch-norm that is folded into a node's weights.
  private let folded: [BatchNorm?]
  private let scratch: [Storage]

  /// - Parameters:
  ///   - workspace: of the model, with gradients (those of parameters are not needed).
  ///   - nodes: where relevance is wanted; what comes before all of them is left out.
  ///   - inputs: whether the relevance of the model's input is wanted, in `workspace.inputGradient`.
  ///   - countsViolations: whether outputs that do not conserve relevance are counted (`takeViolations`).
  /// - Throws: `ModelError` when the model has a layer that no rule is known for, or does not end in a classifier.
  public init(
    _ workspace: Workspace, _ rule: RelevanceRule, at nodes: [Node] = [], inputs: Bool = false,
    countsViolations: Bool = false
  ) throws {
    precondition(workspace.keepsGradients, "this workspace was made without gradients")
    let model = workspace.model
    try Self.check(model)
    self.workspace = workspace
    self.rule = rule
    var reached = [inputs]
    for node in model.nodes {
      reached.append(nodes.contains { $0 === node } || node.inputs.contains { reached[$0 + 1] })
    }
    isReached = reached
    splits = try model.nodes.map { node in
      try node.inputs.contains { reached[$0 + 1] } ? SplitWeights(node, countsViolations: countsViolations) : nil
    }
    folded = model.nodes.indices.map { i in
      guard rule.batchNorm == .folded else { return nil }
      let consumers = model.nodes.filter { $0.inputs.contains(i) }
      return consumers.count == 1 ? consumers[0].layer as? BatchNorm : nil
    }
    // A layer without weights may want a value for each channel.
    let floats = max(
      splits.map { $0?.scratchFloats ?? 0 }.max() ?? 0, model.nodes.map { 2 * $0.shape.channels }.max() ?? 0)
    scratch = (0..<workspace.pool.threads).map { _ in Storage(count: floats) }
    load()
  }

  /// - Throws: `ModelError` when relevance cannot be propagated through the model.
  public static func check(_ model: Model) throws {
    if let node = model.nodes.first(where: { !$0.layer.passesRelevance }) {
      throw ModelError(
        "layer \(node.name): no rule is known for the relevance of a layer of kind \(node.layer.kind)")
    }
    let last = model.output
    guard last.layer is Linear || last.layer is AveragePool || last.layer is Flatten || last.layer is Conv2D,
      last.shape.pixels == 1
    else {
      throw ModelError(
        "layer \(last.name): relevance starts from the outputs of a classifier, and the last layer is of kind "
          + "\(last.layer.kind) and gives \(last.shape)")
    }
  }

  /// Reads the weights anew, after they changed.
  public func load() {
    for (i, split) in splits.enumerated() { split?.load(scaledBy: folded[i]?.affine.factor) }
  }

  /// Whether the pass reaches a node's output.
  public func reaches(_ node: Node) -> Bool {
    workspace.model.nodes.firstIndex { $0 === node }.map { isReached[$0 + 1] } ?? false
  }

  /// Runs back from the true classes of the samples of the last forward pass.
  /// - labels: [samples]
  public func run(samples: Int, labels: UnsafePointer<Int32>) {
    precondition(samples == workspace.samples, "the forward pass had \(workspace.samples) samples, not \(samples)")
    let classes = workspace.model.output.shape.count
    let start = workspace.outputGradient!
    start.update(repeating: 0, count: samples * classes)
    for s in 0..<samples { start[s * classes + Int(labels[s])] = 1 }
    workspace.pool.run(count: workspace.pieces, context: Unmanaged.passUnretained(self).toOpaque()) {
      context, item, worker in
      Unmanaged<RelevancePass>.fromOpaque(context).takeUnretainedValue().run(piece: item, worker: worker)
    }
  }

  private func run(piece index: Int, worker: Int) {
    let w = workspace
    for i in w.layers.indices.reversed() where isReached[i + 1] && !w.plans[i].isView {
      var p = w.makePiece(i, index, worker)
      p.training = false
      for o in observers {
        o.observe(
          w.model.nodes[i], samples: p.first..<p.first + p.samples,
          relevance: UnsafeBufferPointer(start: p.outputGradient, count: p.samples * w.plans[i].count))
      }
      w.aimInputGradients(of: i, p) { isReached[$0 + 1] }
      p.scratch = scratch[worker].base
      w.layers[i].relevance(p, rule, splits[i])
      w.addInputGradients(of: i, p)
    }
  }

  /// For every node with weights that was passed: outputs with relevance since the last call, over all samples, and those
  /// of them that handed on something else than they had.
  public func takeViolations() -> [(node: Node, outputs: Int, violating: Int)] {
    splits.enumerated().compactMap { i, split in
      guard let found = split?.takeViolations() else { return nil }
      return (workspace.model.nodes[i], found.all, found.not)
    }
  }
}
