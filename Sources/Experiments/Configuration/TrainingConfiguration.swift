import Configuration
import NeuralNetworks

/// How gradients become changes of weights.
public struct OptimizerConfiguration: Configurable {
  public enum Kind: String, CaseIterable, Sendable { case sgd, adam, adamw }
  public var kind = Kind.sgd
  public var learningRate = 0.05
  public var momentum: Float = 0
  public var nesterov = false
  public var weightDecay: Float = 0
  public var decaysVectors = true
  public var beta1: Float = 0.9
  public var beta2: Float = 0.999
  public var epsilon: Float = 1e-8

  public init() {}
  public static let documentation = "How gradients become changes of weights."
  public static let fields: [Field<OptimizerConfiguration>] = [
    Field("kind", \.kind, .choice, "sgd, adam, or adamw (decoupled weight decay)."),
    Field("learningRate", \.learningRate, .number(.above(0, through: 1000)), "Before the schedule's factor."),
    Field("momentum", \.momentum, .number(0..<1), "Of sgd; arrays that update themselves refuse it."),
    Field("nesterov", \.nesterov, .boolean, "Nesterov's form of momentum."),
    Field("weightDecay", \.weightDecay, .number(0...1), "Factor of the weights added to their gradient."),
    Field("decaysVectors", \.decaysVectors, .boolean, "Whether biases and batch-norm vectors decay too."),
    Field("beta1", \.beta1, .number(0..<1), "Of adam and adamw: decay of the mean."),
    Field("beta2", \.beta2, .number(0..<1), "Of adam and adamw: decay of the squares."),
    Field("epsilon", \.epsilon, .number(.above(0, through: 1)), "Of adam and adamw: added to the root."),
  ]

  public mutating func check(_ report: inout Report) {
    if nesterov && momentum == 0 { report.error("needs a momentum", at: "nesterov", hint: "set momentum, such as 0.9") }
  }

  var optimizerKind: OptimizerKind {
    switch kind {
    case .sgd: .sgd(momentum: momentum, nesterov: nesterov)
    case .adam: .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, decoupled: false)
    case .adamw: .adam(beta1: beta1, beta2: beta2, epsilon: epsilon, decoupled: true)
    }
  }

  /// What of this arrays that update themselves cannot do, with the key that asks for it.
  var stateful: (key: String, what: String)? {
    if kind != .sgd { return ("kind", "\(kind.rawValue) keeps means and squares of gradients") }
    if momentum != 0 { return ("momentum", "momentum \(momentum) keeps a velocity for each weight") }
    if weightDecay != 0 { return ("weightDecay", "weight decay \(weightDecay) changes every weight digitally") }
    return nil
  }
}

/// The learning rate's course.
public struct ScheduleConfiguration: Configurable {
  public enum Kind: String, CaseIterable, Sendable { case constant, step, milestones, cosine }
  public var kind = Kind.constant
  public var interval = 10
  public var milestones: [Int] = []
  public var factor = 0.1
  public var floor = 0.0
  public var warmup = 0.0

  public init() {}
  public static let documentation = "The learning rate's course over the epochs."
  public static let fields: [Field<ScheduleConfiguration>] = [
    Field("kind", \.kind, .choice, "constant, step, milestones, or cosine."),
    Field("interval", \.interval, .integer(1...1_000_000, unit: "epoch"), "Of step: epochs between changes."),
    Field("milestones", \.milestones, .list(of: .integer(0...)), "Of milestones: epochs at which the rate changes."),
    Field("factor", \.factor, .number(.above(0, through: 1)), "Of step and milestones: factor of each change."),
    Field("floor", \.floor, .number(0...1), "Of cosine: share of the rate that is left at the end."),
    Field("warmup", \.warmup, .number(0...1_000_000, unit: "epoch"), "Epochs over which the rate rises from zero."),
  ]

  public mutating func check(_ report: inout Report) {
    if kind == .milestones && milestones.isEmpty { report.error("names no epochs", at: "milestones") }
  }

  func schedule(epochs: Int) -> Schedule {
    let course: Schedule.Kind
    switch kind {
    case .constant: course = .constant
    case .step: course = .step(interval: interval, factor: factor)
    case .milestones: course = .milestones(milestones, factor: factor)
    case .cosine: course = .cosine(floor: floor)
    }
    return Schedule(course, warmup: warmup, epochs: epochs)
  }
}

/// The loss of a classification.
public struct LossConfiguration: Configurable {
  public var kind = ClassificationTask.Loss.crossEntropy
  public var labelSmoothing: Float = 0
  public init() {}
  public static let documentation = "What training lowers."
  public static let fields: [Field<LossConfiguration>] = [
    Field("kind", \.kind, .choice, "cross-entropy of the softmax, or mean squared error to one-hot targets."),
    Field("labelSmoothing", \.labelSmoothing, .number(0..<1), "Share of each target spread evenly over all classes."),
  ]
  var task: ClassificationTask { ClassificationTask(loss: kind, labelSmoothing: labelSmoothing) }
}
