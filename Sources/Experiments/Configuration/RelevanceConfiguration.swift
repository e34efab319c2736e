import Compression
import Configuration
import NeuralNetworks

/// How relevance is propagated and what scores are made of it: keys that the stage and the criterion share.
public struct RelevanceConfiguration: CriterionConfiguration {
  public var alpha = 2.0
  public var beta = 1.0
  public var batchNorm = RelevanceRule.BatchNormRule.ignored
  public var place = FeatureRelevance.Place.block
  public var classWeights = true

  public init() {}
  public static let documentation = RelevanceCriterion.documentation
  public static let fields: [Field<RelevanceConfiguration>] = [
    Field("alpha", \.alpha, .number(1...100), "Share of positive contributions; alpha − beta = 1 conserves relevance."),
    Field("beta", \.beta, .number(0...99), "Share of negative contributions."),
    Field(
      "batchNorm", \.batchNorm, .choice,
      "ignored: relevance passes a batch-norm as it is; folded: its factors are taken into the weights before it."),
    Field(
      "place", \.place, .choice,
      "Where a channel is scored: at the end of its block (behind batch-norm, residual sum and ReLU), or the layer's own "
        + "output."),
    Field(
      "classWeights", \.classWeights, .boolean,
      "Classes count the more, the worse they are recognized; false: all alike."
    ),
  ]

  public mutating func check(_ report: inout Report) {
    if abs(alpha - beta - 1) > 1e-9 {
      report.error(
        "alpha − beta is \(inWords(alpha - beta)), and relevance is conserved where it is 1", at: "beta",
        hint: "with an alpha of \(inWords(alpha)) give \"beta\": \(inWords(alpha - 1))")
    }
  }

  var rule: RelevanceRule {
    guard let rule = try? RelevanceRule(alpha: alpha, beta: beta, batchNorm: batchNorm) else {
      preconditionFailure("checked when decoded")
    }
    return rule
  }

  public var criterion: any ChannelCriterion {
    RelevanceCriterion(rule, place: place, weighsClasses: classWeights)
  }
}
