import Configuration
import Crossbars

/// A family of pulse responses, as a configuration describes it. A new one is one new conformance, one line in
/// `stepFamilies` and, if its law is none of `StepLaw`'s forms, one case there.
protocol StepFamily: Configurable {
  /// nil: TxSim's form, by the device's own ν.
  func law(pulseStep: Double) -> StepLaw?
}

let stepFamilies: @Sendable () -> [Variant<any StepFamily>] = {
  [
    Variant("txsim", TxSimFamily.self) { $0 },
    Variant("constant-step", ConstantStepFamily.self) { $0 },
    Variant("linear-step", LinearStepFamily.self) { $0 },
    Variant("soft-bounds", SoftBoundsFamily.self) { $0 },
    Variant("neurosim", NeuroSimFamily.self) { $0 },
    Variant("exp-step", ExpStepFamily.self) { $0 },
    Variant("pow-step", PowStepFamily.self) { $0 },
    Variant("piecewise-step", PiecewiseStepFamily.self) { $0 },
  ]
}

/// `"soft-bounds"`, or `{"kind": "linear-step", "gammaUp": 0.1, "gammaDown": 0.5}`.
let stepFamilyCodec = Codec<any StepFamily>.tagged("StepFamily", default: "txsim", shorthand: true, stepFamilies())

struct TxSimFamily: StepFamily {
  static let documentation = "TxSim's pinned form: up e^(−ν·x), down e^(−ν·(1−x)), ν = updateNonlinearity."
  static let fields: [Field<TxSimFamily>] = []
  func law(pulseStep: Double) -> StepLaw? { nil }
}

struct ConstantStepFamily: StepFamily {
  static let documentation = "The same step everywhere (AIHWKit's ConstantStep)."
  static let fields: [Field<ConstantStepFamily>] = []
  func law(pulseStep: Double) -> StepLaw? { .constantStep }
}

/// x at which AIHWKit's weight w is 0.
private let zeroStateText = "x where w = 0: −w_min/(w_max − w_min) of AIHWKit's weights."

struct LinearStepFamily: StepFamily {
  var gammaUp = 0.0
  var gammaDown = 0.0
  var zeroState = 0.5
  static let documentation = "Steps linear in the state (AIHWKit's LinearStep): up 1 − γ⁺·w/w_max, down 1 − γ⁻·w/w_min."
  static let fields: [Field<LinearStepFamily>] = [
    Field("gammaUp", \.gammaUp, .number(-10...10), "γ⁺.", required: true),
    Field("gammaDown", \.gammaDown, .number(-10...10), "γ⁻.", required: true),
    Field("zeroState", \.zeroState, .number(.between(0, 1)), zeroStateText),
  ]
  func law(pulseStep: Double) -> StepLaw? {
    .linearStep(gammaUp: gammaUp, gammaDown: gammaDown, zeroState: zeroState)
  }
}

struct SoftBoundsFamily: StepFamily {
  var zeroState = 0.5
  static let documentation =
    "Steps that vanish at the bound ahead (AIHWKit's SoftBounds; with a reference device, its zeroState): linear-step with γ = 1."
  static let fields: [Field<SoftBoundsFamily>] = [
    Field("zeroState", \.zeroState, .number(.between(0, 1)), zeroStateText)
  ]
  func law(pulseStep: Double) -> StepLaw? { .softBounds(zeroState: zeroState) }
}

struct NeuroSimFamily: StepFamily {
  var nonlinearityUp = 0.0
  var nonlinearityDown = 0.0
  static let documentation =
    "NeuroSim's exponential pulse response G = B·(1 − e^(−P/A)) + G_min, of 1/pulseStep pulses over the range."
  static let fields: [Field<NeuroSimFamily>] = [
    Field(
      "nonlinearityUp", \.nonlinearityUp, .number(-9...9),
      "NeuroSim's label of the curve up; 0 is linear, positive saturates towards G_max.", required: true),
    Field(
      "nonlinearityDown", \.nonlinearityDown, .number(-9...9),
      "The same down; positive saturates towards G_min (NeuroSim writes it with a minus).", required: true),
  ]
  func law(pulseStep: Double) -> StepLaw? {
    .neuroSim(
      up: StepLaw.neuroSimA(label: nonlinearityUp), down: StepLaw.neuroSimA(label: nonlinearityDown),
      pulses: 1 / pulseStep)
  }
}

struct ExpStepFamily: StepFamily {
  var amplitudeUp = 0.0
  var amplitudeDown = 0.0
  var gammaUp = 0.0
  var gammaDown = 0.0
  var a = 0.0
  var b = 0.0
  var zeroState = 0.5
  static let documentation =
    "AIHWKit's ExpStep: up 1 − A⁺·e^(γ⁺·y), down 1 − A⁻·e^(−γ⁻·y), y = 2a·(x − zeroState) + b, not below 0."
  static let fields: [Field<ExpStepFamily>] = [
    Field("amplitudeUp", \.amplitudeUp, .number(-1e6...1e6), "A⁺ (AIHWKit's A_up).", required: true),
    Field("amplitudeDown", \.amplitudeDown, .number(-1e6...1e6), "A⁻ (A_down).", required: true),
    Field("gammaUp", \.gammaUp, .number(-100...100), "γ⁺ (gamma_up).", required: true),
    Field("gammaDown", \.gammaDown, .number(-100...100), "γ⁻ (gamma_down).", required: true),
    Field("a", \.a, .number(-100...100), "a, the slope of y.", required: true),
    Field("b", \.b, .number(-100...100), "b, the offset of y.", required: true),
    Field("zeroState", \.zeroState, .number(0...1), zeroStateText),
  ]
  func law(pulseStep: Double) -> StepLaw? {
    .expStep(
      amplitudeUp: amplitudeUp, amplitudeDown: amplitudeDown, gammaUp: gammaUp, gammaDown: gammaDown, a: a, b: b,
      zeroState: zeroState)
  }
}

struct PowStepFamily: StepFamily {
  var gammaUp = 1.0
  var gammaDown = 1.0
  static let documentation = "AIHWKit's PowStep (Fusi and Abbott): up (1 − x)^γ⁺, down x^γ⁻."
  static let fields: [Field<PowStepFamily>] = [
    Field("gammaUp", \.gammaUp, .number(0...20), "γ⁺.", required: true),
    Field("gammaDown", \.gammaDown, .number(0...20), "γ⁻.", required: true),
  ]
  func law(pulseStep: Double) -> StepLaw? { .powStep(gammaUp: gammaUp, gammaDown: gammaDown) }
}

struct PiecewiseStepFamily: StepFamily {
  var stepsUp: [Double] = [1]
  var stepsDown: [Double] = [1]
  static let documentation = "AIHWKit's PiecewiseStep: relative steps at evenly spaced states, straight lines between."
  static let fields: [Field<PiecewiseStepFamily>] = [
    Field(
      "stepsUp", \.stepsUp, .list(of: .number(0...1e6), count: 1...4096), "Steps up, from x = 0 to x = 1.",
      required: true),
    Field(
      "stepsDown", \.stepsDown, .list(of: .number(0...1e6), count: 1...4096), "Steps down, also from x = 0 to x = 1.",
      required: true),
  ]
  func law(pulseStep: Double) -> StepLaw? { .piecewiseStep(up: stepsUp, down: stepsDown) }
}
