import Configuration
import Crossbars

/// Energy, time and area of a crossbar's parts; the formulae and sources are `CrossbarCosts`.
public struct CostsConfiguration: Configurable {
  public var costs = CrossbarCosts()

  public init() {}
  public static let documentation =
    "What the parts of an array take: energy, time, area. Documentation/costs.md has the formulae."

  public static let fields: [Field<CostsConfiguration>] = [
    Field(
      "adcEnergyPerBit", \.costs.adcEnergyPerBit, .number(0...1, unit: "joule", usual: 1e-15...1e-11),
      "ADC, for each bit of a conversion. ISAAC (1.67 pJ at 8 bits) with Saberi's course over bits."),
    Field(
      "adcEnergyPerStep", \.costs.adcEnergyPerStep, .number(0...1, unit: "joule", usual: 1e-17...1e-13),
      "ADC, for each of its 2^bits levels. Source as above."),
    Field(
      "adcFigureOfMerit", \.costs.adcFigureOfMerit, .number(0...300, unit: "decibel", usual: 150...190),
      "Schreier's figure of merit, which bounds a conversion's energy from below. Murmann's survey."),
    Field(
      "adcRate", \.costs.adcRate, .number(.above(0, through: 1e15), unit: "hertz", usual: 1e6...1e10),
      "Conversions of one ADC in a second. ISAAC."),
    Field(
      "adcAreaPerBit", \.costs.adcAreaPerBit, .number(0...1, unit: "square metre", usual: 1e-12...1e-8),
      "ADC, for each bit. ISAAC (1200 µm² at 8 bits), Saberi."),
    Field(
      "adcAreaPerStep", \.costs.adcAreaPerStep, .number(0...1, unit: "square metre", usual: 1e-14...1e-10),
      "ADC, for each of its 2^bits levels. Source as above."),
    Field(
      "columnsPerADC", \.costs.columnsPerADC, .integer(1...65536), "Bit lines of a tile that share an ADC. ISAAC."),
    Field(
      "dacEnergy", \.costs.dacEnergy, .number(0...1, unit: "joule", usual: 1e-15...1e-10),
      "DAC, a conversion of one bit. ISAAC."),
    Field(
      "dacEnergyPerStep", \.costs.dacEnergyPerStep, .number(0...1, unit: "joule", usual: 1e-17...1e-13),
      "DAC, for each level beyond two. As the ADC's."),
    Field(
      "dacArea", \.costs.dacArea, .number(0...1, unit: "square metre", usual: 1e-14...1e-9), "DAC of one bit. ISAAC."),
    Field(
      "dacAreaPerStep", \.costs.dacAreaPerStep, .number(0...1, unit: "square metre", usual: 1e-14...1e-10),
      "DAC, for each level beyond two. As the ADC's."),
    Field(
      "sampleHoldEnergy", \.costs.sampleHoldEnergy, .number(0...1, unit: "joule", usual: 1e-17...1e-12),
      "Sample-and-hold, for each conversion. ISAAC."),
    Field(
      "sampleHoldArea", \.costs.sampleHoldArea, .number(0...1, unit: "square metre", usual: 1e-15...1e-10),
      "Sample-and-hold of a bit line. ISAAC."),
    Field(
      "shiftAddEnergy", \.costs.shiftAddEnergy, .number(0...1, unit: "joule", usual: 1e-16...1e-11),
      "Digital addition of a converted sum. ISAAC."),
    Field(
      "shiftAddArea", \.costs.shiftAddArea, .number(0...1, unit: "square metre", usual: 1e-13...1e-8),
      "Adder beside an ADC. ISAAC."),
    Field(
      "readPulse", \.costs.readPulse, .number(.above(0, through: 1), unit: "second", usual: 1e-9...1e-5),
      "Time that word lines are driven and currents settle. ISAAC, PUMA."),
    Field(
      "inputMeanSquare", \.costs.inputMeanSquare, .number(0...1),
      "Mean square of the inputs relative to full scale: 1/3 if uniform, 1/2 for random bits."),
    Field(
      "writeVoltage", \.costs.writeVoltage, .number(0...100, unit: "volt", usual: 0.5...10), "Voltage of a write pulse."
    ),
    Field(
      "writePulse", \.costs.writePulse, .number(.above(0, through: 1), unit: "second", usual: 1e-9...1e-3),
      "Length of a write pulse."),
    Field(
      "programPulses", \.costs.programPulses, .number(0...1e6, usual: 1...100),
      "Pulses that program a device, each with a verifying read."),
    Field(
      "cellArea", \.costs.cellArea, .number(0...1e6, unit: "square of the feature size", usual: 4...500),
      "Area of a cell; 4 for a cross point, some tens with a transistor."),
    Field(
      "featureSize", \.costs.featureSize, .number(.above(0, through: 1), unit: "metre", usual: 5e-9...2e-7),
      "Feature size of the process. ISAAC."),
  ]
}
