import Glibc
import LinearAlgebra
import NeuralNetworks

/// Feature relevance scores of channels: how much of the true classes' relevance passes through each, the worst-recognized
/// classes counting most (Aketi et al., arXiv 2002.09958; github.com/purdue-nrl/Gradual-Channel-Pruning-using-FRS).
///
/// For a sample s, R_l(s, k) is the mean over positions of the relevance of channel k of layer l. With n_c samples and the
/// accuracy a_c of class c,
///
///     F_l(c, k) = w_c / n_c · Σ_{s of class c} R_l(s, k)      w_c = sigmoid(max a / a_c)
///     score_l(k) = |mean_c F_l(c, k)| / ‖mean_c F_l(c, ·)‖₂
///
/// so that every layer's scores are a unit vector, which makes them comparable across layers. Samples are added batch by
/// batch, in order and in Float64.
public final class FeatureRelevance {
  /// Where a convolution's relevance is read.
  public enum Place: String, CaseIterable, Sendable {
    /// Where its block ends: behind the batch-norm, sums and ReLU that follow it alone. The last convolution of a residual
    /// branch shares the relevance of the sum with the shortcut: the published method.
    case block
    /// At the output of the layer itself: behind a residual sum has been shared out.
    case output
  }

  /// What was found of one class.
  public struct Class: Equatable, Sendable {
    /// Samples that count, and those that were left out because relevance was not finite.
    public var samples = 0
    public var skipped = 0
    public var correct = 0
    /// Of all its samples.
    public var accuracy = 0.0
    /// Over the largest of all classes; 1 for every class when none is recognized at all.
    public var relative = 1.0
    /// w_c; 1 for every class when classes are not weighted.
    public var weight = 1.0
  }

  /// Scores of channels by layer, each layer of unit length, and what was found of the classes.
  public struct Scores {
    public var layers: [[Double]]
    public var classes: [Class]
    public var skipped: Int { classes.reduce(0) { $0 + $1.skipped } }
  }

  public let pass: RelevancePass
  /// The layers whose channels are scored.
  public let layers: [Node]
  private let collector: Collector
  private var sums: [[Double]]
  private var classes: [Class]

  /// - Parameters:
  ///   - workspace: of the model, with gradients (those of parameters are not needed).
  ///   - layers: convolutions or fully connected layers.
  ///   - inputs: whether the relevance of the model's input is wanted too.
  ///   - countsViolations: whether outputs that do not conserve relevance are counted.
  /// - Throws: `ModelError` when relevance cannot be propagated through the model.
  public init(
    _ workspace: Workspace, _ rule: RelevanceRule = .published, layers: [Node], place: Place = .block,
    inputs: Bool = false, countsViolations: Bool = false
  ) throws {
    self.layers = layers
    let ends = layers.map { place == .block ? BlockEnd(of: $0, in: workspace.model) : BlockEnd($0) }
    pass = try RelevancePass(workspace, rule, at: ends.map(\.node), inputs: inputs, countsViolations: countsViolations)
    collector = Collector(ends, capacity: workspace.capacity)
    pass.observers = [collector]
    let count = workspace.model.output.shape.count
    sums = [[Double]](repeating: [Double](repeating: 0, count: collector.channels), count: count)
    classes = [Class](repeating: Class(), count: count)
  }

  /// Adds the samples of the workspace's last forward pass (in evaluation mode).
  /// - labels: [samples]
  public func add(samples: Int, labels: UnsafePointer<Int32>) {
    pass.run(samples: samples, labels: labels)
    let outputs = pass.workspace.output
    let count = classes.count
    let width = collector.channels
    for s in 0..<samples {
      let c = Int(labels[s])
      let y = outputs + s * count
      var best = 0
      for j in 1..<max(1, count) where y[j] > y[best] { best = j }
      if best == c { classes[c].correct += 1 }
      let row = collector.values.base + s * width
      guard (0..<width).allSatisfy({ row[$0].isFinite }) else {
        classes[c].skipped += 1
        continue
      }
      classes[c].samples += 1
      sums[c].withUnsafeMutableBufferPointer { sum in for k in 0..<width { sum[k] += Double(row[k]) } }
    }
  }

  /// Scores over all samples so far.
  ///
  /// - Parameter weighsClasses: false leaves all classes alike.
  /// - Throws: `ModelError` when a class has no samples: it would count as one without relevance.
  public func scores(weighsClasses: Bool = true) throws -> Scores {
    for (c, found) in classes.enumerated() where found.samples == 0 {
      throw ModelError(
        "class \(c) has no samples"
          + (found.skipped > 0 ? " but \(found.skipped) whose relevance is not finite" : "")
          + "; feature relevance is a mean over classes and wants some of each")
    }
    var classes = classes
    for c in classes.indices {
      classes[c].accuracy = Double(classes[c].correct) / Double(classes[c].samples + classes[c].skipped)
    }
    let best = classes.map(\.accuracy).max() ?? 0
    for c in classes.indices where best > 0 { classes[c].relative = classes[c].accuracy / best }
    for c in classes.indices where weighsClasses { classes[c].weight = Self.weight(relative: classes[c].relative) }
    var layers: [[Double]] = []
    for (l, node) in self.layers.enumerated() {
      var mean = [Double](repeating: 0, count: node.shape.channels)
      for (c, found) in classes.enumerated() {
        let factor = found.weight / Double(found.samples) / Double(classes.count)
        for k in mean.indices { mean[k] += factor * sums[c][collector.offsets[l] + k] }
      }
      let norm = mean.reduce(0) { $0 + $1 * $1 }.squareRoot()
      layers.append(mean.map { abs($0) / (norm + 1e-9) })
    }
    return Scores(layers: layers, classes: classes)
  }

  /// w = sigmoid(1 / r): 0.7311 for the best class, 1 for one that is never recognized.
  public static func weight(relative r: Double) -> Double { r > 0 ? 1 / (1 + exp(-1 / r)) : 1 }
}

/// Means over positions of the relevance of some nodes, sample by sample.
private final class Collector: Observer {
  /// First column of each layer.
  let offsets: [Int]
  let channels: Int
  /// [samples of a batch, channels]
  let values: Storage
  /// Where each layer is read, and the layers that read a node.
  private let ends: [BlockEnd]
  private var readers: [ObjectIdentifier: [Int]] = [:]

  init(_ ends: [BlockEnd], capacity: Int) {
    self.ends = ends
    var sum = 0
    var offsets: [Int] = []
    for (l, end) in ends.enumerated() {
      offsets.append(sum)
      sum += end.channels.count
      readers[ObjectIdentifier(end.node), default: []].append(l)
    }
    self.offsets = offsets
    channels = sum
    values = Storage(count: capacity * sum)
  }

  func observe(_ node: Node, samples: Range<Int>, relevance: UnsafeBufferPointer<Float>) {
    guard let layers = readers[ObjectIdentifier(node)], var r = relevance.baseAddress else { return }
    let c = node.shape.channels
    let share = 1 / Float(node.shape.pixels)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: c) { mean in
      for s in samples {
        let mean = mean.baseAddress!
        mean.update(repeating: 0, count: c)
        for _ in 0..<node.shape.pixels {
          for k in 0..<c { mean[k] += r[k] }
          r += c
        }
        for layer in layers {
          let row = values.base + s * channels + offsets[layer]
          for (k, from) in ends[layer].channels.enumerated() { row[k] = share * mean[from] }
        }
      }
    }
  }
}

/// Where the relevance of a layer's channels is read.
private struct BlockEnd {
  private(set) var node: Node
  /// By channel of the layer, the node's.
  private(set) var channels: [Int]

  /// The layer's own output.
  init(_ node: Node) {
    self.node = node
    channels = Array(0..<node.shape.channels)
  }

  /// The last of the batch-norm, sums and ReLU that follow a layer alone.
  init(of layer: Node, in model: Model) {
    self.init(layer)
    guard var i = model.nodes.firstIndex(where: { $0 === layer }) else { return }
    while true {
      let readers = model.nodes.indices.filter { model.nodes[$0].inputs.contains(i) }
      guard readers.count == 1, let next = readers.first else { return }
      let reader = model.nodes[next]
      if let sum = reader.layer as? Add, let term = reader.inputs.firstIndex(of: i) {
        channels = channels.map { sum.place(ofChannel: $0, ofInput: term) }
      } else if !(reader.layer is BatchNorm || reader.layer is ReLU) {
        return
      }
      node = reader
      i = next
    }
  }
}
