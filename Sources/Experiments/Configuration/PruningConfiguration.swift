import Compression
import Configuration
import NeuralNetworks

/// A criterion as a configuration describes it. One without options needs no conformance of its own: it is in
/// `ChannelCriteria.all`.
public protocol CriterionConfiguration: Configurable {
  var criterion: any ChannelCriterion { get }
}

/// A criterion that is told by its name alone.
struct PlainCriterion<Criterion: ChannelCriterion & OptionlessCriterion>: CriterionConfiguration {
  init() {}
  static var documentation: String { Criterion.documentation }
  static var fields: [Field<PlainCriterion>] { [] }
  var criterion: any ChannelCriterion { Criterion() }

  static func variant(_ type: Criterion.Type) -> Variant<any CriterionConfiguration> {
    Variant(Criterion.name, PlainCriterion<Criterion>.self) { $0 }
  }
}

/// Every criterion, by its kind: those without options, and a line for each that has some.
let criterionVariants: @Sendable () -> [Variant<any CriterionConfiguration>] = {
  func plain<C: ChannelCriterion & OptionlessCriterion>(_ type: C.Type) -> Variant<any CriterionConfiguration> {
    PlainCriterion.variant(type)
  }
  return ChannelCriteria.all.map { plain($0) } + [Variant(RelevanceCriterion.name, RelevanceConfiguration.self) { $0 }]
}

/// How a criterion is written: `"l1"`, or an object whose `kind` says which.
let criterionCodec = Codec<any CriterionConfiguration>.tagged(
  "Criterion", default: "l1", shorthand: true, criterionVariants())

/// The samples that a criterion looks at; there is no choice of the test part.
public enum CriterionPart: String, CaseIterable, Sendable {
  case train, validation
}

/// What is pruned and by which criterion: keys of the schedule in `train` and of the stage `prune` alike.
public struct PruningChoice: Configurable {
  public var criterion: any CriterionConfiguration = PlainCriterion<L1Norm>()
  public var share: Double?
  public var scope = PruningSchedule.Scope.layer
  public var count: Int?
  public var separately: [String: Int] = [:]
  public var form = PruningForm.removed
  public var residual = ResidualPolicy.scatter
  public var layers: [String]?
  public var protect: [String] = []
  public var split = CriterionPart.train
  public var samples: Int?
  public var recalibrate = 0

  public init() {}
  public static let documentation = "What is pruned, and by which criterion."
  public static let fields: [Field<PruningChoice>] = [
    Field("criterion", \.criterion, criterionCodec, "Scores the channels; the lowest go first."),
    Field(
      "share", \.share, .optional(.number(0...1)),
      "Share of the channels, as the network was built, that is gone at the end."
    ),
    Field("scope", \.scope, .choice, "Of share: the same in each layer, or of all layers' lowest scores together."),
    Field(
      "count", \.count, .optional(.integer(1...)),
      "Instead of share: channels that go at once, of all layers together."),
    Field(
      "separately", \.separately, .map(of: .integer(1...)),
      "Beside count: layers that are ranked by themselves, and how many of their channels go at once."),
    Field(
      "form", \.form, .choice,
      "removed: everything shrinks; masked: held at zero, shapes stay; weights-only: batch-norm's shift lives on."),
    Field(
      "residual", \.residual, .choice,
      "scatter: branches are pruned, shortcuts whole; group: channels that are added go together."),
    Field(
      "layers", \.layers, .optional(.list(of: .text, count: 1...)),
      "Layers to prune, by name or glob; every convolution but the first if left out."),
    Field("protect", \.protect, .list(of: .text), "Layers that keep all channels, by name or glob."),
    Field("split", \.split, .choice, "The samples that the criterion looks at; never those of the test part."),
    Field(
      "samples", \.samples, .optional(.integer(1..., unit: "sample")), "How many, drawn once; all if left out."),
    Field(
      "recalibrate", \.recalibrate, .integer(0...1_000_000, unit: "batch"),
      "Batches after a removal over which batch-norm's running statistics settle without learning."),
  ]

  public mutating func check(_ report: inout Report) {
    switch (share, count) {
    case (nil, nil): report.error("says not how much is pruned", hint: "give \"share\", or \"count\"")
    case (.some, .some): report.error("stands beside \"share\"", at: "count", hint: "use one of the two")
    case (.some(let share), nil) where share >= 1:
      report.error("a share of \(share) leaves every layer empty", at: "share", hint: "expected a share below 1")
    default: break
    }
    if count != nil && report.isWritten("scope") {
      report.warning("has no effect beside \"count\", which goes from all layers together", at: "scope")
    }
    if count == nil && !separately.isEmpty {
      report.error("stands without \"count\"", at: "separately", hint: "a share goes from every layer")
    }
  }

  /// At the end.
  var amount: PruningSchedule.Amount { share.map { .share($0, scope) } ?? .count(count ?? 0) }

  /// What looks at samples; nil if nothing does.
  var reasonForSamples: String? {
    if criterion.criterion.needs == .samples {
      return "criterion \"\(type(of: criterion.criterion).name)\" looks at samples"
    }
    if recalibrate > 0 { return "\"recalibrate\" passes samples through the network" }
    return form == .weightsOnly ? "what \"weights-only\" leaves alive is measured on samples" : nil
  }
  var needsSamples: Bool { reasonForSamples != nil }

  func pruner(_ model: Model, mask: ChannelMask?) throws -> Pruner {
    try Pruner(model, form: form, residual: residual, layers: layers, protected: protect, mask: mask)
  }

  /// What can be known before a run, of a network with its weights still zero.
  ///
  /// - Parameters:
  ///   - events: how often `count` goes.
  ///   - gone: channels that stages before this one took by their counts, with the layers they chose from.
  ///   - refuse: gets the key, a sentence and a hint.
  /// - Returns: what this stage takes by its count, and from which layers; nil if it has none.
  @discardableResult
  func check(
    _ network: Model, events: Int, gone: [(layers: Set<String>, count: Int)] = [],
    refuse: (_ key: String, _ sentence: String, _ hint: String) -> Void
  ) -> (layers: Set<String>, count: Int)? {
    do { try criterion.criterion.check(network) } catch { refuse("criterion", "\(error)", "") }
    let groups: ChannelGroups
    do {
      groups = try ChannelGroups(network, residual: residual, layers: layers, protected: protect)
    } catch {
      let cause = (error as? ChannelGroups.Refusal)?.cause ?? .wanted
      refuse(cause == .protected ? "protect" : "layers", "\(error)", "")
      return nil
    }
    if criterion.criterion.needs == .batchNorm, let layer = groups.layers.first(where: { $0.norm == nil }) {
      refuse(
        "criterion",
        "\(type(of: criterion.criterion).name) looks at the batch-norm behind layer \(layer.name), which has none",
        "choose another criterion, or name the layers that have one with \"layers\"")
    }
    // A network with the structure of a pruned one was built with more than it has.
    let built = groups.layers.map { network.structure[$0.name]?.channels ?? $0.channels }
    let parts = scope == .layer ? built : [built.reduce(0, +)]
    if let share, share > 0, let most = parts.max(), parts.allSatisfy({ Pruner.left(of: $0, share: share) == $0 }) {
      refuse(
        "share",
        "a share of \(share) takes no channel: the \(scope == .layer ? "widest layer has" : "layers have") \(most)",
        "at least \(0.5 / Double(most)) takes one; 0 takes none")
    }
    if let share, scope == .layer, let l = built.indices.first(where: { Pruner.left(of: built[$0], share: share) < 1 })
    {
      refuse(
        "share", "a share of \(share) leaves none of the \(built[l]) channels of layer \(groups.layers[l].name)",
        "at most \(Double(built[l] - 1) / Double(built[l])) leaves one")
    }
    let times = "\(events) event\(events == 1 ? "" : "s")"
    for (name, count) in separately.sorted(by: { $0.key < $1.key }) {
      guard let layer = groups.layers.first(where: { $0.name == name }) else {
        refuse("separately", "\"\(name)\" is none of the layers that are pruned", "name it in \"layers\" as well")
        continue
      }
      guard count * events >= layer.channels else { continue }
      refuse(
        "separately", "\(times) of \(count) leave none of the \(layer.channels) channels of layer \(name)",
        "lower the count, or prune less often")
    }
    // What is coupled with a layer that is ranked by itself goes with it.
    let together = groups.coupled.filter { !$0.contains { separately[groups.layers[$0].name] != nil } }.flatMap { $0 }
      .map { groups.layers[$0] }
    let all = together.reduce(0) { $0 + $1.channels }
    let names = Set(together.map(\.name))
    // Where a stage before this one chose from other layers as well, all may have gone there.
    let before = gone.reduce(0) { $0 + ($1.layers.isSubset(of: names) ? $1.count : 0) }
    let removable = all - together.count - before
    if let count, count * events > removable {
      refuse(
        "count",
        "\(times) of \(count) channels would leave layers empty: \(max(0, removable)) of the \(all - before) can go",
        "lower \"count\", or prune less often")
    }
    let whole = built.reduce(0, +)
    if let share, scope == .global, Pruner.left(of: whole, share: share) < built.count {
      refuse(
        "share", "a share of \(share) would leave layers empty: \(whole - built.count) of the \(whole) can go",
        "at most \(Double(whole - built.count) / Double(whole)) leaves each layer one")
    }
    return count.map { (names, $0 * events) }
  }
}

/// The key `prune` of `train`: channels go at the ends of epochs, while the network learns.
public struct PruneConfiguration: Configurable {
  public var choice = PruningChoice()
  public var start: Int?
  public var interval = 1
  public var end: Int?
  public var removeAtEnd = false

  public init() {}
  public static let documentation = "Prunes channels at the ends of epochs, while the network learns."
  public static let fields: [Field<PruneConfiguration>] =
    [
      Field(
        "start", \.start, .optional(.integer(1...1_000_000, unit: "epoch")),
        "Epochs before the first event; one interval if left out."),
      Field("interval", \.interval, .integer(1...1_000_000, unit: "epoch"), "Epochs from one event to the next."),
      Field(
        "end", \.end, .optional(.integer(1...1_000_000, unit: "epoch")),
        "Epochs after which no event comes; seven tenths of the run if left out."),
      Field(
        "removeAtEnd", \.removeAtEnd, .boolean, "Of form masked: what was held at zero is removed after the last epoch."
      ),
    ] + PruningChoice.fields.map { $0.inside(\.choice) }

  public mutating func check(_ report: inout Report) {
    choice.check(&report)
    guard removeAtEnd else { return }
    if choice.form == .weightsOnly {
      report.error(Pruner.whyShiftsStay, at: "removeAtEnd", hint: "form \"masked\" can")
    } else if choice.form == .removed {
      report.warning("has no effect on channels that are removed at once", at: "removeAtEnd")
    }
  }

  func schedule(epochs: Int) -> PruningSchedule {
    let start = self.start ?? interval
    return PruningSchedule(
      start: start, interval: interval, end: end ?? max(start, epochs * 7 / 10), amount: choice.amount)
  }

  /// What does not fit a run of so many epochs, or hardly can be meant. Both get the key, a sentence and a hint.
  func check(
    epochs: Int, refuse: (_ key: String, _ sentence: String, _ hint: String) -> Void,
    warn: (_ key: String, _ sentence: String, _ hint: String) -> Void
  ) {
    let s = schedule(epochs: epochs)
    if interval > epochs {
      refuse("interval", "\(interval) epochs between events, but the run has \(epochs)", "expected at most \(epochs)")
    } else if s.start > epochs {
      refuse(
        "start", "the first event comes after \(s.start) epochs, but the run has \(epochs)",
        "expected at most \(epochs)")
    }
    if let end, end > epochs {
      refuse("end", "\(end) epochs are more than the run's \(epochs)", "expected at most \(epochs)")
    } else if let end, end < s.start {
      refuse("end", "no event comes: the first is after \(s.start) epochs, the last after \(end) at most", "")
    } else if s.events == 1, s.end > s.start, s.start <= epochs {
      warn(
        "interval",
        "there is one event, after \(s.start) epochs: the next would come after \(s.start + interval), and the "
          + "last may come after \(s.end)", "lower \"interval\" or raise \"end\" for a gradual schedule")
    }
    if s.start + (s.events - 1) * interval == epochs && choice.recalibrate == 0 && choice.form == .removed {
      warn(
        "end",
        "the last event comes after the last epoch: nothing is learnt after it, and batch-norm's statistics stay",
        "end earlier, or give \"recalibrate\"")
    }
  }
}
