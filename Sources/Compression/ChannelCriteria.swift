/// The criteria that a configuration can name.
public enum ChannelCriteria {
  /// Those without options, in the order they are listed. A new one is a line here.
  public static let all: [any (ChannelCriterion & OptionlessCriterion).Type] = [
    L1Norm.self, MeanActivation.self, RandomChoice.self, BatchNormScale.self, Taylor.self, GeometricMedian.self,
  ]

  public static func named(_ name: String) -> (any ChannelCriterion)? { all.first { $0.name == name }?.init() }
}

/// A criterion that needs no telling.
public protocol OptionlessCriterion {
  init()
}
