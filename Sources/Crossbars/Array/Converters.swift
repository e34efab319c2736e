/// Digital-to-analogue converters at the inputs, analogue-to-digital converters at the outputs of every tile; both
/// mid-tread (zero is a level).
public struct Converters: Equatable, Sendable {
  public enum InputRange: Equatable, Sendable {
    /// Each input vector is scaled by its own largest magnitude, restored digitally after the read (the noise management
    /// of AIHWKit).
    case vector
    /// A fixed range in units of the activation; larger inputs clip.
    case fixed(Double)
    /// Calibrated per layer and direction from the inputs of one piece of a batch; larger inputs clip.
    case automatic(percentile: Double)
  }
  public enum OutputRange: Equatable, Sendable {
    /// Calibrated per layer, direction and slice from the partial sums of one piece of a batch.
    case automatic(percentile: Double)
    /// A fixed range of the (differential) column current, ampere.
    case fixed(Double)
  }

  /// Bits including the sign; 0 means no quantization.
  public var dacBits: Int
  public var adcBits: Int
  public var dacRange: InputRange
  public var adcRange: OutputRange
  /// Voltage of a full-scale input, volt; relates weights to currents.
  public var readVoltage: Double
  /// Bits of an input's magnitude that are applied at a time, each read converted and added digitally with its
  /// significance (bit streaming; A. Shafiee et al., ISAAC, ISCA 2016); 0: all at once.
  public var streamBits: Int
  /// Noise of an ADC, referred to its input: standard deviation in steps (LSB).
  public var adcNoise: Double
  /// How often a vector is read again with halved inputs while some ADC clips (the bound management of AIHWKit); 0: clipped
  /// sums stay clipped.
  public var boundManagement: Int

  public init(
    dacBits: Int = 8, adcBits: Int = 8, dacRange: InputRange = .vector,
    adcRange: OutputRange = .automatic(percentile: 0.9999), readVoltage: Double = 0.25, streamBits: Int = 0,
    adcNoise: Double = 0, boundManagement: Int = 0
  ) {
    self.dacBits = dacBits
    self.adcBits = adcBits
    self.dacRange = dacRange
    self.adcRange = adcRange
    self.readVoltage = readVoltage
    self.streamBits = streamBits
    self.adcNoise = adcNoise
    self.boundManagement = boundManagement
  }

  /// Positive steps of a signed mid-tread converter: 2^(bits−1) − 1.
  static func levels(_ bits: Int) -> Float { bits == 0 ? 0 : Float((1 << (bits - 1)) - 1) }

  /// Reads of one input vector.
  public var streams: Int { streamBits == 0 ? 1 : (dacBits - 1 + streamBits - 1) / streamBits }
}
