import LinearAlgebra
import NeuralNetworks

/// How a channel goes.
public enum PruningForm: String, CaseIterable, Sendable {
  /// It is removed, and everything gets smaller.
  case removed
  /// Its filter, bias, batch-norm entries and the slices that read it are held at zero; shapes and cost stay.
  case masked
  /// Its filter and the slices that read it are held at zero; batch-norm's shift lives on, as in the original program of
  /// arXiv 2002.09958.
  case weightsOnly = "weights-only"

  var mask: Model.Mask? {
    switch self {
    case .removed: nil
    case .masked: .complete
    case .weightsOnly: .weightsOnly
    }
  }
}

/// Prunes a model, event by event: ranks channels by their scores and lets the lowest go.
public final class Pruner {
  public let model: Model
  public let form: PruningForm
  private let residual: ResidualPolicy
  private let wanted: [String]?
  private let protected: [String]
  public private(set) var groups: ChannelGroups
  /// In a masked form the channels that are alive, by layer; numbers of the whole network.
  private var alive: [String: [Int]] = [:]

  /// - Parameter mask: what is held at zero already, and goes on being.
  /// - Throws: as `ChannelGroups`; `ModelError` for a masked form of a model whose arrays hold no exact zeros, and when
  ///   something is held in another form.
  public init(
    _ model: Model, form: PruningForm = .removed, residual: ResidualPolicy = .scatter, layers: [String]? = nil,
    protected: [String] = [], mask: ChannelMask? = nil
  ) throws {
    if let mask, mask.form != form { throw ModelError(Self.whyFormsDiffer(mask.form, form)) }
    self.model = model
    self.form = form
    self.residual = residual
    wanted = layers
    self.protected = protected
    alive = mask?.structure.kept ?? [:]
    groups = try ChannelGroups(model, residual: residual, layers: layers, protected: protected)
    if form != .removed,
      let node = model.weights.first(where: { $0.weights.arrays.contains { $0.plainWeights == nil } })
    {
      throw ModelError(
        "form \"\(form.rawValue)\" holds weights at zero after every update, but layer \(node.node.name) is on an array "
          + "that is no digital memory; form \"removed\" works on every array")
    }
  }

  /// Channels that a layer was built with, and those that are left of them, by the layer's place in `groups`.
  public func channels(_ layer: Int) -> (built: Int, left: Int) {
    let l = groups.layers[layer]
    return (model.structure[l.name]?.channels ?? l.channels, alive[l.name]?.count ?? l.channels)
  }

  /// Of all prunable layers together.
  public var channels: (built: Int, left: Int) {
    groups.layers.indices.map { channels($0) }.reduce((0, 0)) { ($0.0 + $1.built, $0.1 + $1.left) }
  }

  // MARK: An event

  /// Asks a criterion for the scores of `groups.layers`.
  /// - Throws: `ModelError` when it needs what is not there; what the criterion throws.
  public func scores(_ criterion: some ChannelCriterion, _ context: ScoringContext) throws -> [[Double]] {
    let name = type(of: criterion).name
    if criterion.needs == .samples, (context.samples?.count ?? 0) == 0 {
      throw ModelError("criterion \"\(name)\" looks at samples, and there are none")
    }
    if criterion.needs == .batchNorm, let layer = context.layers.first(where: { $0.norm == nil }) {
      throw ModelError("criterion \"\(name)\" looks at the batch-norm behind layer \(layer.name), which has none")
    }
    return try criterion.scores(context)
  }

  /// Checks scores and chooses what stays.
  ///
  /// - Parameters:
  ///   - scores: one for each channel of each of `groups.layers`.
  ///   - separately: layers that are ranked by themselves where a count goes, and how many of their channels go.
  /// - Returns: present numbers of what stays, by the name of each layer that loses something.
  /// - Throws: `ModelError` when the scores do not fit the layers or are not numbers.
  public func plan(
    _ scores: [[Double]], _ amount: PruningSchedule.Amount, separately: [String: Int] = [:]
  ) throws -> [String: [Int]] {
    guard scores.count == groups.layers.count else {
      throw ModelError("the criterion scored \(scores.count) layers of \(groups.layers.count)")
    }
    for (layer, list) in zip(groups.layers, scores) {
      guard list.count == layer.channels else {
        throw ModelError(
          "the criterion gave \(list.count) scores for the \(layer.channels) channels of layer \(layer.name)")
      }
      if let bad = list.firstIndex(where: { !$0.isFinite }) {
        throw ModelError("the score of channel \(bad) of layer \(layer.name) is not a finite number")
      }
    }
    var ranking = Ranking(self, scores)
    switch amount {
    case .share(let share, .layer):
      for layers in groups.coupled {
        let targets = layers.map { (layer: $0, left: Pruner.left(of: channels($0).built, share: share)) }
        ranking.remove(from: layers) { left in targets.contains { left[$0.layer] > $0.left } }
      }
    case .share(let share, .global):
      let wanted = Pruner.left(of: channels.built, share: share)
      ranking.remove(from: Array(groups.layers.indices), to: wanted, of: Array(groups.layers.indices))
    case .count(let count):
      // What is coupled with a layer that is ranked by itself goes with it.
      let alone = groups.coupled.filter { $0.contains { separately[groups.layers[$0].name] != nil } }
      let together = groups.layers.indices.filter { l in !alone.contains { $0.contains(l) } }
      let wanted = together.reduce(-count) { $0 + channels($1).left }
      ranking.remove(from: together, to: wanted, of: together)
      for layers in alone {
        for l in layers {
          guard let own = separately[groups.layers[l].name] else { continue }
          ranking.remove(from: layers, to: channels(l).left - own, of: [l])
        }
      }
    }
    var kept: [String: [Int]] = [:]
    for (l, layer) in groups.layers.enumerated() where ranking.isLeft[l].count(where: { $0 }) < channels(l).left {
      kept[layer.name] = ranking.isLeft[l].indices.filter { ranking.isLeft[l][$0] }
    }
    return kept
  }

  /// Channels that are left of a number when a share is gone.
  public static func left(of channels: Int, share: Double) -> Int {
    channels - Int((share * Double(channels)).rounded())
  }

  /// Lets go of everything but what a plan keeps.
  ///
  /// - Parameter optimizer: the model's, whose state follows.
  /// - Throws: what removing and silencing throw.
  /// - Returns: what moved where when channels were removed.
  @discardableResult
  public func apply(_ kept: [String: [Int]], optimizer: Optimizer? = nil) throws -> ChannelMoves? {
    guard !kept.isEmpty else { return nil }
    if form == .removed {
      let moves = try model.select(kept)
      optimizer?.select(moves)
      groups = try ChannelGroups(model, residual: residual, layers: wanted, protected: protected)
      return moves
    }
    alive.merge(kept) { _, new in new }
    try hold()
    return nil
  }

  /// Lets batch-norm's running statistics settle on the network as it is: forward passes in training mode, without
  /// learning.
  ///
  /// - Parameter batches: how many; the samples are gone through again and again.
  /// - Throws: what refreshing an array throws; what `proceed` throws.
  public func recalibrate(
    _ samples: any SampleSource, batches: Int, batch: Int, pool: ThreadPool, proceed: () throws -> Void = {}
  ) throws {
    let size = min(batch, samples.count)
    let workspace = Workspace(model, batch: size, pool: pool, gradients: false)
    var first = 0
    for _ in 0..<batches {
      try proceed()
      if first + size > samples.count { first = 0 }
      _ = samples.fill(workspace.input, first..<first + size)
      try workspace.prepareArrays(step: -1)
      if workspace.needsCalibration(training: false) {
        workspace.calibrate(samples: size, backward: false, globalSample: UInt64(first))
      }
      workspace.forward(samples: size, training: true, step: model.updates, globalSample: UInt64(first))
      first += size
    }
  }

  /// Silences again what is masked; to be called after every update, or it would grow back.
  public func hold() throws { try mask?.hold(model) }

  /// Removes what was silenced: the network stays the same function.
  /// - Throws: `ModelError` for the form that leaves batch-norm's shifts alive; what removing throws.
  public func removeSilenced() throws {
    guard form != .weightsOnly else { throw ModelError(Self.whyShiftsStay) }
    guard form == .masked, !alive.isEmpty else { return }
    try model.select(alive)
    alive = [:]
    groups = try ChannelGroups(model, residual: residual, layers: wanted, protected: protected)
  }

  /// Why a model with masked channels cannot be pruned in another form.
  public static func whyFormsDiffer(_ held: PruningForm, _ form: PruningForm) -> String {
    "form \"\(form.rawValue)\" is asked for where channels of form \"\(held.rawValue)\" are held at zero already"
  }

  /// Why channels whose batch-norm still shifts them cannot be taken out.
  public static let whyShiftsStay =
    "channels of form \"weights-only\" cannot be removed: batch-norm still makes constants of them, and in front of zero "
    + "padding a constant is a bias for each position, not for each channel"

  // MARK: State

  /// What is left, whether it was removed or silenced.
  public var structure: ModelStructure {
    guard form != .removed else { return model.structure }
    return ModelStructure(
      model.nodes.compactMap { node in
        alive[node.name].map { .init(name: node.name, channels: node.shape.channels, kept: $0) }
      })
  }

  /// What is held at zero; nil when nothing is.
  public var mask: ChannelMask? {
    form == .removed || alive.isEmpty ? nil : ChannelMask(form: form, structure: structure)
  }

  /// Which channels of a layer are not held at zero, by the layer's place in `groups`.
  public func isAlive(_ layer: Int) -> [Bool] {
    let l = groups.layers[layer]
    guard let list = alive[l.name] else { return [Bool](repeating: true, count: l.channels) }
    var flags = [Bool](repeating: false, count: l.channels)
    for c in list { flags[c] = true }
    return flags
  }
}

/// Units of channels in the order in which they go.
private struct Ranking {
  /// Of the channels that are alive, lowest score first: what is held at zero is gone already.
  private let units: [[ChannelGroups.Member]]
  /// By layer and channel.
  private(set) var isLeft: [[Bool]]
  private var left: [Int]

  init(_ pruner: Pruner, _ scores: [[Double]]) {
    let groups = pruner.groups
    let alive = groups.layers.indices.map { pruner.isAlive($0) }
    isLeft = alive
    left = alive.map { $0.count { $0 } }
    // Layers are compared, and coupled channels averaged, in units of their scores' norm.
    let norms = zip(scores, alive).map { list, alive in
      zip(list, alive).reduce(0.0) { $0 + ($1.1 ? $1.0 * $1.0 : 0) }.squareRoot()
    }
    let living = groups.units.map { unit in unit.filter { alive[$0.layer][$0.channel] } }.filter { !$0.isEmpty }
    let values = living.map { unit in
      unit.reduce(0.0) { $0 + scores[$1.layer][$1.channel] / (norms[$1.layer] > 0 ? norms[$1.layer] : 1) }
        / Double(unit.count)
    }
    // Ties go in the order of the network.
    units = living.indices.sorted { (values[$0], $0) < (values[$1], $1) }.map { living[$0] }
  }

  /// Takes the lowest units of some layers while `goesOn`, which gets the channels that are left in each layer.
  mutating func remove(from layers: [Int], while goesOn: ([Int]) -> Bool) {
    for unit in units {
      guard goesOn(left) else { return }
      if layers.contains(unit[0].layer) { remove(unit) }
    }
  }

  /// Takes the lowest units of some layers until so many channels of `counted` layers are left. A unit that would take too
  /// many, since its channels are coupled, is passed over: never more than was asked for goes.
  mutating func remove(from layers: [Int], to wanted: Int, of counted: [Int]) {
    var total = counted.reduce(0) { $0 + left[$1] }
    for unit in units where layers.contains(unit[0].layer) && isLeft[unit[0].layer][unit[0].channel] {
      let taken = unit.count { counted.contains($0.layer) }
      if taken > 0 && total - taken >= wanted && remove(unit) { total -= taken }
    }
  }

  /// - Returns: false, and nothing has gone, where a layer would be left empty.
  @discardableResult
  private mutating func remove(_ unit: [ChannelGroups.Member]) -> Bool {
    var after = left
    for m in unit { after[m.layer] -= 1 }
    guard unit.allSatisfy({ after[$0.layer] >= 1 }) else { return false }
    left = after
    for m in unit { isLeft[m.layer][m.channel] = false }
    return true
  }
}
