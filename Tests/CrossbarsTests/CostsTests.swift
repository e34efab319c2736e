import Foundation
import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Crossbars

/// The prices: published figures that they must meet, and an array whose bill is made out by hand.
@Suite("Costs of crossbars")
struct CostsTests {
  /// CiMLoop's table for ISAAC's converter with Saberi's course over bits: picojoule, square micrometre.
  static let published: [(bits: Int, energy: Double, area: Double)] = [
    (4, 0.79, 361.04), (5, 0.99, 476.91), (6, 1.20, 626.91), (7, 1.42, 845.18), (8, 1.67, 1200),
    (9, 1.969078145, 1827.911647), (10, 2.379022742, 3002.008032),
  ]

  @Test("an ADC takes what is published for 4 to 10 bits, within one per cent", arguments: published)
  func adc(row: (bits: Int, energy: Double, area: Double)) {
    let costs = CrossbarCosts()
    #expect(abs(costs.adcEnergy(bits: row.bits) * 1e12 / row.energy - 1) < 0.01)
    #expect(abs(costs.adcArea(bits: row.bits) * 1e12 / row.area - 1) < 0.01)
  }

  @Test("from some bits on, thermal noise sets an ADC's energy: four times as much for each bit more")
  func thermalNoise() {
    let costs = CrossbarCosts()
    // ½ · 10^((6.02 · 16 + 1.76 − 185) / 10)
    #expect(abs(costs.adcEnergy(bits: 16) / 1.0162e-9 - 1) < 1e-3)
    #expect(abs(costs.adcEnergy(bits: 16) / costs.adcEnergy(bits: 15) - 4) < 0.01)
    #expect(costs.adcEnergy(bits: 8) < 2 * costs.adcEnergy(bits: 7), "at few bits it is the converter itself")
  }

  @Test("converters that are not modelled cost nothing")
  func none() {
    let costs = CrossbarCosts()
    for value in [costs.adcEnergy(bits: 0), costs.adcArea(bits: 0), costs.dacEnergy(bits: 0), costs.dacArea(bits: 0)] {
      #expect(value == 0)
    }
  }

  /// One of ISAAC's in-situ units: eight arrays of 128 × 128, each with an ADC of 8 bits, inputs by one bit.
  private func isaac() -> (design: CrossbarDesign, activity: Activity) {
    let design = CrossbarDesign(
      outputs: 8 * 128, inputs: 128, rows: 128, columns: 128, dacBits: 1, adcBits: 8, devices: 8 * 128 * 128,
      meanConductance: 1.1e-6, readVoltage: 0.2)
    var activity = Activity()
    activity.forwardReads = 1
    (activity.dacConversions, activity.adcConversions, activity.shiftAdds) = (8 * 128, 8 * 128, 8 * 128)
    activity.cellReads = 8 * 128 * 128
    return (design, activity)
  }

  @Test("a unit of ISAAC's makes the powers and areas of its Table 1")
  func isaacUnit() {
    let (design, activity) = isaac()
    let e = CrossbarCosts().expense(design, activity)
    // One vector takes 100 ns and 128 conversions at 1.2 GS/s more; in a stream of them, the longer of the two.
    let cycle = 128 / 1.2e9
    #expect(abs(e.time / (1e-7 + cycle) - 1) < 1e-12)
    func milliwatts(_ component: String, _ period: Double) -> Double { e[component] / period * 1e3 }
    #expect(abs(milliwatts("adc", cycle) / 16 - 1) < 0.01)
    #expect(abs(milliwatts("dac", 1e-7) / 4 - 1) < 0.01)
    #expect(abs(milliwatts("sampleHold", 1e-7) / 0.01 - 1) < 0.01)
    #expect(abs(milliwatts("shiftAdd", cycle) / 0.2 - 1) < 0.01)
    // ADCs 9600, DACs 170, sample-and-holds 40, shift-and-add 240 µm², and cells of 4 F² where ISAAC's are of 1.5.
    let cells = Double(design.devices) * 4 * 32e-9 * 32e-9
    #expect(abs((e.area - cells) * 1e12 / (9600 + 170 + 40 + 240) - 1) < 0.01)
    #expect(e.tiles == 8 && e.devices == 131_072)
  }

  @Test("ISAAC's arrays do some 0.9 tera-operations a watt-second; with its buffers and links it published 0.63")
  func isaacEfficiency() {
    var (design, activity) = isaac()
    // Weights of 16 bits in eight cells of 2, inputs bit by bit: 128 × 128 multiply–accumulates in 16 reads.
    design.streams = 16
    for path in [\Activity.dacConversions, \.adcConversions, \.shiftAdds, \.cellReads] { activity[keyPath: path] *= 16 }
    let perJoule = 2 * 128 * 128 / CrossbarCosts().expense(design, activity).energy
    #expect(perJoule > 0.63e12 && perJoule < 1.5 * 0.63e12)
  }

  @Test("a thousand vectors follow each other at the pace of the slower of drivers and converters")
  func pipeline() {
    var (design, activity) = isaac()
    activity.forwardReads = 1000
    let costs = CrossbarCosts()
    let convert = 128 / 1.2e9
    #expect(abs(costs.expense(design, activity).time / (999 * convert + 1e-7 + convert) - 1) < 1e-12)
    var shared = costs
    shared.columnsPerADC = 32
    #expect(abs(shared.expense(design, activity).time / (999 * 1e-7 + 1e-7 + 32 / 1.2e9) - 1) < 1e-12)
    // Four times the ADCs, each with its adder.
    let more = shared.expense(design, activity).area - costs.expense(design, activity).area
    #expect(abs(more / (24 * (costs.adcArea(bits: 8) + costs.shiftAddArea)) - 1) < 1e-9)
    // Sixteen bits one after the other.
    design.streams = 16
    #expect(abs(costs.expense(design, activity).time / (15_999 * convert + 1e-7 + convert) - 1) < 1e-12)
  }

  @Test("an array's bill by hand: reads both ways, pulses, programming")
  func byHand() throws {
    // 20 outputs × 30 inputs on tiles of 16 word lines × 8 bit lines: 2 × 3 tiles, 6-bit DACs, 8-bit ADCs of 1 mA.
    let device = Device(onResistance: 1e5, offResistance: 1e6)
    let parameters = CrossbarParameters(
      rows: 16, columns: 8, device: device, method: .ideal,
      converters: Converters(dacBits: 6, adcBits: 8, adcRange: .fixed(1e-3), readVoltage: 0.2))
    let array = try Crossbar.array(parameters, weights: Crossbar.weights(20, 30))
    array.activity = Activity()
    _ = array.read(Crossbar.gaussians(7 * 30, seed: 2))
    _ = array.read(Crossbar.gaussians(5 * 20, seed: 3), .backward)
    var did = array.activity
    // Forward: every one of 7 vectors drives 30 lines of 3 columns of tiles, and 20 lines of 2 rows of tiles are read.
    #expect(did.dacConversions == 7 * 30 * 3 + 5 * 20 * 2)
    #expect(did.adcConversions == 7 * 20 * 2 + 5 * 30 * 3)
    #expect(did.cellReads == 12 * 2 * 600)
    did.pulses = 2400
    did.programmedDevices = 1200
    let design = array.design
    // A centred pair: the mean of G_max and G_min.
    #expect(abs(design.meanConductance / 5.5e-6 - 1) < 1e-6)
    #expect(design.tiles == 6 && design.devices == 1200)

    var costs = CrossbarCosts()
    costs.inputMeanSquare = 0.3
    costs.columnsPerADC = 4
    let e = costs.expense(design, did)
    func isNear(_ a: Double, _ b: Double) -> Bool { abs(a / b - 1) < 1e-6 }
    let adc = 8 * 1.949e-13 + 256 * 4.2e-16
    #expect(isNear(e["adc"], 730 * adc))
    #expect(isNear(e["dac"], 830 * (3.9e-13 + 62 * 4.2e-16)))
    #expect(isNear(e["sampleHold"], 730 * 9.8e-16))
    #expect(isNear(e["shiftAdd"], 730 * 2.08e-14))
    // 0.04 V² · 0.3 · 5.5 µS · 100 ns = 6.6 fJ a device.
    #expect(isNear(e["cells"], 14_400 * 6.6e-15))
    // 4 V² · 5.5 µS · 100 ns = 2.2 pJ a pulse.
    #expect(isNear(e["pulses"], 2400 * 2.2e-12))
    #expect(isNear(e["programming"], 1200 * 8 * (2.2e-12 + 2.2e-14 + adc)))
    #expect(isNear(e.energy, CrossbarExpense.components.reduce(0) { $0 + e[$1] }))
    // 7 vectors forward, 5 back, 4 conversions of 0.83 ns each after 100 ns; two pulses a device; 16 rows of 8 pulses
    // of 100 ns and as long a read.
    let convert = 4 / 1.2e9
    #expect(isNear(e.time, 12 * 1e-7 + 2 * convert + 2 * 1e-7 + 16 * 8 * 2e-7))

    // Forward: 90 DACs, 40 sample-and-holds, 5 ADCs on each of 2 rows of tiles (8 + 8 + 4 lines by fours). Backward: 40
    // DACs, 90 sample-and-holds, 8 ADCs on each of 3 columns of tiles (16 + 14 lines by fours).
    let dac = 1.66e-13 + 62 * 2.134e-12
    let perADC = 8 * 8.173e-11 + 256 * 2.134e-12 + 3e-11
    let cells = 1200 * 4 * 3.2e-8 * 3.2e-8
    #expect(isNear(e.area, cells + 130 * dac + 34 * perADC + 130 * 3.9e-14))
    did.backwardReads = 0
    #expect(isNear(costs.expense(design, did).area, cells + 90 * dac + 10 * perADC + 40 * 3.9e-14))
  }

  @Test("what works side by side shares its time, what follows adds to it")
  func adding() {
    var a = CrossbarExpense()
    (a.time, a.area, a.tiles, a.devices) = (2, 1, 3, 4)
    a.energies[0] = 5
    var b = a
    b.time = 1
    var beside = a
    beside.add(beside: b)
    var after = a
    after.add(after: b)
    #expect(beside.time == 2 && after.time == 3)
    #expect(beside.energy == 10 && after.energy == 10)
    #expect(beside.area == 2 && beside.tiles == 6 && beside.devices == 8)
  }
}
