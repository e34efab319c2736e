import NeuralNetworks

/// Channels by the relevance that the true classes give them (`FeatureRelevance`): gradual channel pruning's criterion
/// (arXiv 2002.09958).
public struct RelevanceCriterion: ChannelCriterion {
  public static let name = "relevance"
  public static let documentation =
    "The relevance that the true classes give a channel, badly recognized classes counting most (arXiv 2002.09958)."
  public let needs = CriterionNeeds.samples
  public var rule: RelevanceRule
  public var place: FeatureRelevance.Place
  public var weighsClasses: Bool

  public init(
    _ rule: RelevanceRule = .published, place: FeatureRelevance.Place = .block, weighsClasses: Bool = true
  ) {
    self.rule = rule
    self.place = place
    self.weighsClasses = weighsClasses
  }

  public func check(_ model: Model) throws { try RelevancePass.check(model) }

  public func scores(_ context: ScoringContext) throws -> [[Double]] {
    let workspace = context.workspace(gradients: true, parameterGradients: false)
    let relevance = try FeatureRelevance(workspace, rule, layers: context.layers.map(\.node), place: place)
    try context.forEachBatch(workspace) { samples, classes in relevance.add(samples: samples.count, labels: classes) }
    return try relevance.scores(weighsClasses: weighsClasses).layers
  }
}
