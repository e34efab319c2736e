import Glibc
import NeuralNetworks

/// What the parts of a crossbar and its converters take: energy, time and area, from published numbers at 32 nm.
///
/// "ISAAC" is Shafiee et al., ISCA 2016, Table 1: eight 128 × 128 arrays read every 100 ns by 1024 DACs of 1 bit (4 mW,
/// 170 µm²) into eight ADCs of 8 bits at 1.2 GS/s (16 mW, 9600 µm²), with sample-and-holds (10 µW, 40 µm²) and four
/// shift-and-add units (0.2 mW, 240 µm²); the arrays themselves 2.4 mW, 200 µm². The table's numbers were read in the
/// public sources of two simulators that use them (PUMA's, and CiMLoop's component library).
///
///     ADC          E = a·b + c·2^b per conversion, not below ½·10^((6.02·b + 1.76 − F)/10);   A = a'·b + c'·2^b
///     DAC          E = e + d·(2^b − 2) per conversion;                                         A likewise
///     cells        E = V² · ⟨u²⟩ · Ḡ · t for each device read;                                 A = k·F²
///     write pulse  E = V² · Ḡ · t
///
/// b bits, V volts, ⟨u²⟩ the inputs' mean square, Ḡ the mean conductance, t the pulse. All SI units.
public struct CrossbarCosts: Equatable, Sendable {
  // MARK: Analogue-to-digital converters

  /// a: comparator, clock and logic of one successive approximation, joule per bit. With `adcEnergyPerStep` it gives
  /// ISAAC's 1.67 pJ at 8 bits; the course over bits is that of Saberi et al. (IEEE TCAS-I 58, 2011) as tabulated by
  /// CiMLoop for 4 to 10 bits, which the two constants meet to 1 %.
  public var adcEnergyPerBit = 1.949e-13
  /// c: the capacitor array, which doubles with each bit, joule. Source as above.
  public var adcEnergyPerStep = 4.2e-16
  /// F: Schreier's figure of merit of the best converters, decibel: thermal noise lets none take less. 185 is the
  /// envelope of Murmann's survey (recalled).
  public var adcFigureOfMerit = 185.0
  /// Conversions of one ADC in a second, hertz. ISAAC.
  public var adcRate = 1.2e9
  /// a': square metre per bit. ISAAC's 1200 µm² at 8 bits, Saberi's course, as above.
  public var adcAreaPerBit = 8.173e-11
  /// c': square metre per step. As above.
  public var adcAreaPerStep = 2.134e-12
  /// Bit lines that share an ADC. ISAAC: the 128 of an array.
  public var columnsPerADC = 128

  // MARK: Digital-to-analogue converters

  /// e: one conversion of one bit, joule: 4 mW over 1024 converters and 100 ns. ISAAC.
  public var dacEnergy = 3.9e-13
  /// d: joule for each further level: a capacitor array like that of the ADC.
  public var dacEnergyPerStep = 4.2e-16
  /// Square metre of a converter of one bit. ISAAC.
  public var dacArea = 1.66e-13
  /// Square metre for each further level, as the ADC's.
  public var dacAreaPerStep = 2.134e-12

  // MARK: Sample-and-hold, shift-and-add

  /// Joule of one sample, taken for each conversion. ISAAC: 10 µW over 1024 bit lines and 100 ns.
  public var sampleHoldEnergy = 9.8e-16
  /// Square metre of one, of which each bit line has one. ISAAC.
  public var sampleHoldArea = 3.9e-14
  /// Joule of one addition of a converted sum. ISAAC: 0.2 mW over 9.6 · 10⁹ conversions a second.
  public var shiftAddEnergy = 2.08e-14
  /// Square metre of the adder beside each ADC. ISAAC: four for eight.
  public var shiftAddArea = 3e-11

  // MARK: Reading

  /// Seconds that word lines are driven and currents settle. ISAAC, PUMA: 100 ns.
  public var readPulse = 1e-7
  /// ⟨u²⟩: mean square of the inputs relative to full scale; 1/3 for uniform ones, 1/2 for random bits.
  public var inputMeanSquare = 0.25

  // MARK: Writing

  /// Volts of a write pulse; filamentary oxides switch at 1.5 to 2.5 V (recalled).
  public var writeVoltage = 2.0
  /// Seconds of a write pulse; 10 to 100 ns for oxides (recalled).
  public var writePulse = 1e-7
  /// Pulses with which a device is programmed to a level, each followed by a read that verifies it; 5 to 20 for multi-level
  /// cells (recalled).
  public var programPulses = 8.0

  // MARK: Cells

  /// k: area of a cell in squares of the feature size; 4 is the least of a cross point. (ISAAC's arrays come to 1.5.)
  public var cellArea = 4.0
  /// F, metre. ISAAC: 32 nm.
  public var featureSize = 3.2e-8

  public init() {}

  /// One conversion, joule. - Parameter bits: 0 for a converter that is not modelled.
  public func adcEnergy(bits: Int) -> Double {
    guard bits > 0 else { return 0 }
    let b = Double(bits)
    return max(
      adcEnergyPerBit * b + adcEnergyPerStep * exp2(b), 0.5 * pow(10, (6.02 * b + 1.76 - adcFigureOfMerit) / 10))
  }

  /// Square metre.
  public func adcArea(bits: Int) -> Double {
    bits > 0 ? adcAreaPerBit * Double(bits) + adcAreaPerStep * exp2(Double(bits)) : 0
  }

  /// One conversion, joule.
  public func dacEnergy(bits: Int) -> Double {
    bits > 0 ? dacEnergy + dacEnergyPerStep * max(0, exp2(Double(bits)) - 2) : 0
  }

  /// Square metre.
  public func dacArea(bits: Int) -> Double {
    bits > 0 ? dacArea + dacAreaPerStep * max(0, exp2(Double(bits)) - 2) : 0
  }
}

/// What an array's costs depend on besides what it did.
public struct CrossbarDesign: Equatable, Sendable {
  /// Of the weight matrix: inputs drive word lines.
  public var outputs: Int
  public var inputs: Int
  /// Word lines and bit lines of a tile.
  public var rows: Int
  public var columns: Int
  /// Bits of one pass of the DACs and of a conversion; 0: not modelled.
  public var dacBits: Int
  public var adcBits: Int
  /// Bit lines that are converted for each output: slices of a weight. The planes of a pair are subtracted before.
  public var slices = 1
  /// Passes of a vector through the array: streams of its bits.
  public var streams = 1
  /// Devices of all planes, and their mean conductance, siemens.
  public var devices: Int
  public var meanConductance: Double
  /// Volts of a full-scale input.
  public var readVoltage: Double

  public init(
    outputs: Int, inputs: Int, rows: Int, columns: Int, dacBits: Int, adcBits: Int, devices: Int,
    meanConductance: Double, readVoltage: Double
  ) {
    self.outputs = outputs
    self.inputs = inputs
    self.rows = rows
    self.columns = columns
    self.dacBits = dacBits
    self.adcBits = adcBits
    self.devices = devices
    self.meanConductance = meanConductance
    self.readVoltage = readVoltage
  }

  /// Strips of tiles along the inputs and along the outputs.
  var rowTiles: Int { (inputs + rows - 1) / rows }
  var columnTiles: Int { (outputs * slices + columns - 1) / columns }
  public var tiles: Int { rowTiles * columnTiles }
}

/// What an array took for what it did.
public struct CrossbarExpense: Equatable, Sendable {
  /// Parts of the energy, in the order of `components`, joule.
  public var energies = [Double](repeating: 0, count: Self.components.count)
  public static let components = ["adc", "dac", "sampleHold", "shiftAdd", "cells", "pulses", "programming"]
  /// Seconds of reading and writing, one after the other.
  public var time = 0.0
  /// Square metre.
  public var area = 0.0
  public var tiles = 0
  public var devices = 0

  public init() {}

  /// Joule.
  public var energy: Double { energies.reduce(0, +) }

  public subscript(component: String) -> Double {
    Self.components.firstIndex(of: component).map { energies[$0] } ?? 0
  }

  /// Adds an array that works at the same time.
  public mutating func add(beside other: CrossbarExpense) {
    combine(other)
    time = max(time, other.time)
  }

  /// Adds a layer that works before or after.
  public mutating func add(after other: CrossbarExpense) {
    combine(other)
    time += other.time
  }

  private mutating func combine(_ other: CrossbarExpense) {
    for i in energies.indices { energies[i] += other.energies[i] }
    area += other.area
    tiles += other.tiles
    devices += other.devices
  }
}

extension CrossbarCosts {
  /// What an array of this design took for some activity.
  ///
  /// Energy counts every conversion, device read and pulse. Time: the vectors pass one after another through all tiles
  /// at once, drivers and converters overlapping (while one vector is converted the next one settles),
  ///
  ///     t = (n − 1)·max(t_read, t_convert) + t_read + t_convert,   n = vectors · streams,
  ///
  /// where t_convert is that of the bit lines which share an ADC. Pulses of an in-array update are applied to all
  /// devices of all tiles at once: as many pulse lengths as a device gets on average. Programming goes row by row, the
  /// devices of a row and all tiles at once, each pulse with its verifying read. Area: the devices, and the periphery of
  /// forward reads; that of backward reads too if there were any.
  public func expense(_ design: CrossbarDesign, _ did: Activity) -> CrossbarExpense {
    var result = CrossbarExpense()
    func count(_ n: UInt64) -> Double { Double(n) }
    let perRead = design.readVoltage * design.readVoltage * inputMeanSquare * design.meanConductance * readPulse
    let perPulse = writeVoltage * writeVoltage * design.meanConductance * writePulse
    // A verifying read is at full voltage, and converted.
    let perVerify = perRead / max(inputMeanSquare, 1e-300) + adcEnergy(bits: design.adcBits)
    result.energies = [
      count(did.adcConversions) * adcEnergy(bits: design.adcBits),
      count(did.dacConversions) * dacEnergy(bits: design.dacBits),
      count(did.adcConversions) * sampleHoldEnergy,
      count(did.shiftAdds) * shiftAddEnergy,
      count(did.cellReads) * perRead,
      count(did.pulses) * perPulse,
      count(did.programmedDevices) * programPulses * (perPulse + perVerify),
    ]

    func readTime(_ vectors: UInt64, lines: Int) -> Double {
      let n = count(vectors) * Double(design.streams)
      guard n > 0 else { return 0 }
      let convert = design.adcBits > 0 ? Double(min(lines, columnsPerADC)) / adcRate : 0
      return (n - 1) * max(readPulse, convert) + readPulse + convert
    }
    result.time =
      readTime(did.forwardReads, lines: min(design.columns, design.outputs * design.slices))
      + readTime(did.backwardReads, lines: min(design.rows, design.inputs))
    let devices = Double(max(1, design.devices))
    result.time += count(did.pulses) / devices * writePulse
    result.time +=
      count(did.programmedDevices) / devices * Double(min(design.rows, design.inputs)) * programPulses
      * (writePulse + readPulse)

    result.devices = design.devices
    result.tiles = design.tiles
    result.area = Double(design.devices) * cellArea * featureSize * featureSize
    result.area += periphery(
      design, from: design.inputs, tilesFrom: design.rowTiles, to: design.outputs * design.slices,
      tilesTo: design.columnTiles, lines: design.columns)
    if did.backwardReads > 0 {
      result.area += periphery(
        design, from: design.outputs * design.slices, tilesFrom: design.columnTiles, to: design.inputs,
        tilesTo: design.rowTiles, lines: design.rows)
    }
    return result
  }

  /// Converters at the `from` lines of every tile and at its `to` lines, `lines` of which make a tile.
  private func periphery(
    _ design: CrossbarDesign, from: Int, tilesFrom: Int, to: Int, tilesTo: Int, lines: Int
  ) -> Double {
    let converters = stride(from: 0, to: to, by: lines).reduce(0) {
      $0 + (min(lines, to - $1) + columnsPerADC - 1) / columnsPerADC
    }
    let perADC = adcArea(bits: design.adcBits) + (design.adcBits > 0 ? shiftAddArea : 0)
    return Double(from * tilesTo) * dacArea(bits: design.dacBits) + Double(converters * tilesFrom) * perADC
      + (design.adcBits > 0 ? Double(to * tilesFrom) * sampleHoldArea : 0)
  }
}
