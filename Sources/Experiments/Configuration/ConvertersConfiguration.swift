import Configuration
import Crossbars

/// Converters at the array's edges; the arithmetic is `Converters`.
public struct ConvertersConfiguration: Configurable {
  public var converters = Converters()
  public var percentile = 0.9999
  public var automatic = true
  public var inputPercentile = 0.999
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

  /// As `converters.dacRange`, without the percentile, which is a key of its own.
  var dacRange: Converters.InputRange {
    get { if case .automatic = converters.dacRange { .automatic(percentile: 0) } else { converters.dacRange } }
    set { converters.dacRange = newValue }
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
      "dacRange", \.dacRange,
      .either(
        .word("vector", .vector), .word("auto", .automatic(percentile: 0)),
        .form(.number(1e-30...1e30), Converters.InputRange.fixed) { if case .fixed(let v) = $0 { v } else { nil } }),
      "Full scale of the inputs: each vector's own maximum, calibrated per layer and direction, or a number in units of "
        + "the activation."),
    Field(
      "dacPercentile", \.inputPercentile, .number(.above(0.5, through: 1)),
      "Share of a calibrating batch's inputs that \"auto\" keeps within range."),
    Field(
      "adcRange", \.adcRange,
      .either(
        .word("auto", .automatic),
        .form(.number(1e-30...1e30, unit: "ampere", usual: 1e-9...1e-3), Range.ampere) {
          if case .ampere(let v) = $0 { v } else { nil }
        }),
      "Full scale of the differential column current: calibrated per layer and direction, or fixed."),
    Field(
      "adcPercentile", \.percentile, .number(.above(0.5, through: 1)),
      "Share of a calibrating batch's partial sums that \"auto\" keeps within range."),
    Field(
      "readVoltage", \.converters.readVoltage, .number(.above(0, through: 10), unit: "volt", usual: 0.01...1),
      "Voltage of a full-scale input."),
    Field(
      "streamBits", \.converters.streamBits,
      .either(.word("none", 0), .form(.integer(1...15, unit: "bit"), { $0 }) { $0 == 0 ? nil : $0 }),
      "Bits of an input applied at a time, each read converted and added digitally; \"none\" for all at once."),
    Field(
      "adcNoise", \.converters.adcNoise, .number(0...1000, unit: "LSB"),
      "Noise of an ADC, standard deviation referred to its input, in steps."),
    Field(
      "boundManagement", \.converters.boundManagement, .integer(0...16),
      "How often a vector is read again with halved inputs while some ADC clips."),
  ]

  public mutating func check(_ report: inout Report) {
    if case .automatic = converters.dacRange { converters.dacRange = .automatic(percentile: inputPercentile) }
    converters.adcRange = automatic ? .automatic(percentile: percentile) : .fixed(adcCurrent)
  }
}
