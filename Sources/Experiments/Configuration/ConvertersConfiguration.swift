import Configuration
import Crossbars

/// Converters at the array's edges; the arithmetic is `Converters`.
public struct ConvertersConfiguration: Configurable {
  public var converters = Converters()
  public var percentile = 0.9999
  public var automatic = true
  public var adcCurrent = 0.0

  enum Range: Equatable, Sendable {
    case automatic
    case ampere(Double)
  }
  var adcRange: Range {
    get { automatic ? .automatic : .ampere(adcCurrent) }
    set {
      switch newValue {
      case .automatic: automatic = true
      case .ampere(let value): (automatic, adcCurrent) = (false, value)
      }
    }
  }

  public init() {}
  public static let documentation = "Converters at the edges of each array."

  private static func bits() -> Codec<Int> {
    .either(.word("none", 0), .form(.integer(2...16, unit: "bit"), { $0 }) { $0 == 0 ? nil : $0 })
  }

  public static let fields: [Field<ConvertersConfiguration>] = [
    Field(
      "dacBits", \.converters.dacBits, bits(), "Resolution of the inputs, sign included; \"none\" for no rounding."),
    Field(
      "adcBits", \.converters.adcBits, bits(), "Resolution of the outputs, sign included; \"none\" for no rounding."),
    Field(
      "dacRange", \.converters.dacRange,
      .either(
        .word("vector", .vector),
        .form(.number(.above(0)), Converters.InputRange.fixed) { if case .fixed(let v) = $0 { v } else { nil } }),
      "Full scale of the inputs: each vector's own maximum, or a number in units of the activation."),
    Field(
      "adcRange", \.adcRange,
      .either(
        .word("auto", .automatic),
        .form(.number(.above(0), unit: "ampere", usual: 1e-9...1e-3), Range.ampere) {
          if case .ampere(let v) = $0 { v } else { nil }
        }),
      "Full scale of the differential column current: calibrated per layer and direction, or fixed."),
    Field(
      "adcPercentile", \.percentile, .number(.above(0.5, through: 1)),
      "Share of a calibrating batch's partial sums that \"auto\" keeps within range."),
    Field(
      "readVoltage", \.converters.readVoltage, .number(.above(0, through: 10), unit: "volt", usual: 0.01...1),
      "Voltage of a full-scale input."),
  ]

  public mutating func check(_ report: inout Report) {
    converters.adcRange = automatic ? .automatic(percentile: percentile) : .fixed(adcCurrent)
  }
}
