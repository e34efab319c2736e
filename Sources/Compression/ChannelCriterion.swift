import LinearAlgebra
import NeuralNetworks

/// How much each channel of a network is worth: the channels with the lowest scores are pruned first.
///
/// A criterion knows nothing of schedules, of coupled channels or of how many will go: it is asked before every pruning
/// event for one number per channel, and `Pruning` does the rest. A new one is a conformance in a file of its own and a
/// line in `ChannelCriteria.all`, after which `"criterion": "<its name>"` names it; one with options of its own has a
/// line in `criterionVariants` (Experiments) instead.
public protocol ChannelCriterion: Sendable {
  /// As a user writes it in a configuration.
  static var name: String { get }
  /// What it measures and where it is from, in one sentence.
  static var documentation: String { get }
  /// What `scores` will find in its context.
  var needs: CriterionNeeds { get }
  /// One score for each channel of each layer, both in the context's order; lower is worth less. The scale is the
  /// criterion's own: a global ranking divides each layer's scores by their norm (`Pruning`).
  ///
  /// Runs between two updates, on one thread; the passes that it asks for use the pool. It must not change the model.
  /// - Throws: what refreshing an array throws; what `context.proceed` throws.
  func scores(_ context: ScoringContext) throws -> [[Double]]
  /// Looks at a model before anything runs. - Throws: `ModelError` when the criterion cannot score it.
  func check(_ model: Model) throws
}

extension ChannelCriterion {
  public func check(_ model: Model) throws {}
}

/// What a criterion must be given.
public enum CriterionNeeds: Int, Comparable, Sendable {
  /// The weights tell all.
  case nothing
  /// The batch-norm that follows each prunable layer.
  case batchNorm
  /// Samples with their labels: of the training or the validation part, never of the test part.
  case samples

  public static func < (a: CriterionNeeds, b: CriterionNeeds) -> Bool { a.rawValue < b.rawValue }
}

/// Samples with their classes, that a criterion may look at.
public protocol SampleSource: AnyObject {
  var count: Int { get }
  var classes: Int { get }
  /// Fills the first inputs of a workspace with the samples, normalized as in training but not augmented.
  /// - Returns: their classes, valid until the next call.
  func fill(_ input: UnsafeMutablePointer<Float>, _ samples: Range<Int>) -> UnsafePointer<Int32>
}

/// A layer whose output channels can go: a convolution's filters, a fully connected layer's units.
public struct PrunableLayer {
  /// The convolution or linear layer.
  public let node: Node
  /// The batch-norm that directly follows it, and nothing else does.
  public let norm: Node?
  /// The last of the batch-norm and ReLU that follow the layer alone: where its channels' activations are looked at.
  public let end: Node
  /// True when `end` is a ReLU. The last convolution of a residual branch has none before the sum.
  public let isRectified: Bool

  public init(node: Node, norm: Node?, end: Node, isRectified: Bool) {
    (self.node, self.norm, self.end, self.isRectified) = (node, norm, end, isRectified)
  }

  public var name: String { node.name }
  /// Output channels that it has now.
  public var channels: Int { node.shape.channels }
}

/// Everything that a criterion may look at.
public struct ScoringContext {
  public let model: Model
  /// The layers to score, in the order they run.
  public let layers: [PrunableLayer]
  /// Given when the criterion needs samples.
  public let samples: (any SampleSource)?
  /// Samples of one pass.
  public let batch: Int
  /// The loss that training lowers.
  public let task: any ModelTask
  public let pool: ThreadPool
  /// By layer and channel: false for what is held at zero, the score of which is not looked at.
  public let isAlive: [[Bool]]
  /// Of the run, and a number that no other pruning event of it has: together they key a criterion's random numbers.
  public let seed: UInt64
  public let event: Int
  /// Called between batches; throws when the user wants to stop.
  public let proceed: () throws -> Void

  public init(
    model: Model, layers: [PrunableLayer], isAlive: [[Bool]]? = nil, samples: (any SampleSource)? = nil,
    batch: Int = 64, task: any ModelTask = ClassificationTask(), pool: ThreadPool, seed: UInt64 = 1, event: Int = 0,
    proceed: @escaping () throws -> Void = {}
  ) {
    self.model = model
    self.layers = layers
    self.isAlive = isAlive ?? layers.map { [Bool](repeating: true, count: $0.channels) }
    self.samples = samples
    self.batch = batch
    self.task = task
    self.pool = pool
    self.seed = seed
    self.event = event
    self.proceed = proceed
  }

  /// A workspace for passes over the samples.
  public func workspace(gradients: Bool, parameterGradients: Bool = true) -> Workspace {
    let workspace = Workspace(
      model, batch: min(batch, max(1, samples?.count ?? 1)), pool: pool, gradients: gradients,
      parameterGradients: parameterGradients)
    workspace.task = task
    workspace.seed = seed
    return workspace
  }

  /// Forward passes over all samples in evaluation mode, arrays read as they are; `body` runs after each, with the loss
  /// and its gradient at the outputs where the workspace keeps gradients.
  ///
  /// - Parameter body: gets the numbers of the batch's samples and their classes.
  public func forEachBatch(
    _ workspace: Workspace, _ body: (_ samples: Range<Int>, _ classes: UnsafePointer<Int32>) throws -> Void
  ) throws {
    guard let source = samples else { return }
    for first in stride(from: 0, to: source.count, by: workspace.capacity) {
      try proceed()
      let range = first..<min(source.count, first + workspace.capacity)
      let labels = source.fill(workspace.input, range)
      workspace.targets = Targets(labels: labels)
      try workspace.prepareArrays(step: -1)
      if workspace.needsCalibration(training: workspace.keepsGradients) {
        workspace.calibrate(samples: range.count, backward: workspace.keepsGradients, globalSample: UInt64(first))
      }
      workspace.forward(
        samples: range.count, training: false, globalSample: UInt64(first), loss: workspace.keepsGradients)
      try body(range, labels)
    }
  }
}
