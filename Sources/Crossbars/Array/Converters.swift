/// Digital-to-analogue converters at the inputs, analogue-to-digital converters at the outputs of every tile; both
/// mid-tread (zero is a level).
public struct Converters: Equatable, Sendable {
  public enum InputRange: Equatable, Sendable {
    /// Each input vector is scaled by its own largest magnitude, restored digitally after the read.
    case vector
    /// A fixed range in units of the activation; larger inputs clip.
    case fixed(Double)
  }
  public enum OutputRange: Equatable, Sendable {
    /// Calibrated per layer and direction from the partial sums of one piece of a batch.
    case automatic(percentile: Double)
    /// A fixed range of the differential column current, ampere.
    case fixed(Double)
  }

  /// Bits including the sign; 0 means no quantization.
  public var dacBits: Int
  public var adcBits: Int
  public var dacRange: InputRange
  public var adcRange: OutputRange
  /// Voltage of a full-scale input, volt; relates weights to currents.
  public var readVoltage: Double

  public init(
    dacBits: Int = 8, adcBits: Int = 8, dacRange: InputRange = .vector,
    adcRange: OutputRange = .automatic(percentile: 0.9999), readVoltage: Double = 0.25
  ) {
    self.dacBits = dacBits
    self.adcBits = adcBits
    self.dacRange = dacRange
    self.adcRange = adcRange
    self.readVoltage = readVoltage
  }

  /// Positive steps of a signed mid-tread converter: 2^(bits−1) − 1.
  static func levels(_ bits: Int) -> Float { bits == 0 ? 0 : Float((1 << (bits - 1)) - 1) }
}
