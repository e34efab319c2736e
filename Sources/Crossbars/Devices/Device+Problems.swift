extension Device {
  /// - Throws: `CircuitError` with the first of `problems`.
  public func validate() throws {
    if let problem = problems.first { throw CircuitError(problem.sentence) }
  }

  /// What cannot be: the parameter, by the name it has in a configuration, and a sentence that begins with it.
  public var problems: [(key: String, sentence: String)] {
    var found: [(key: String, sentence: String)] = []
    func require(_ key: String, _ value: Double, _ range: ClosedRange<Double>, _ meaning: String) {
      if !range.contains(value) { found.append((key, "\(key) is \(value); expected \(meaning)")) }
    }
    let most = CircuitParameters.largestConductance
    require("onResistance", onResistance, 1 / most...most, "a positive number of ohm")
    require("offResistance", offResistance, 1 / most...most, "a positive number of ohm")
    if found.isEmpty, !(onResistance < offResistance) {
      found.append(
        (
          "onResistance",
          "onResistance, \(onResistance) ohm, is not below offResistance, \(offResistance) ohm"
        ))
    }
    require("pulseStep", pulseStep, 1e-30...1, "a fraction of the conductance range, above 0")
    require("updateNonlinearity", updateNonlinearity, 0...80, "a number from 0 to 80")
    let anyNumber = "a number not below 0"
    require("updateNoise", updateNoise, 0...1e6, anyNumber)
    require("writeNoise", writeNoise, 0...1e6, anyNumber)
    require("programmingNoise", programmingNoise, 0...1e6, anyNumber)
    require("variation", variation, 0...1e6, anyNumber)
    require("stepVariation", stepVariation, 0...1e6, anyNumber)
    require("asymmetry", asymmetry, -1...1, "an imbalance from -1 to 1")
    require("asymmetryVariation", asymmetryVariation, 0...1e6, anyNumber)
    require("boundVariation.lower", lowerBoundVariation, 0...1e6, anyNumber)
    require("boundVariation.upper", upperBoundVariation, 0...1e6, anyNumber)
    if let bad = programmingNoiseTerms.first(where: { !$0.isFinite }) {
      found.append(("programmingNoise", "programmingNoise has the coefficient \(bad); expected finite numbers"))
    }
    if levels != 0 { require("levels", Double(levels), 2...65_536, "at least two levels, or 0 for any state") }
    found += lawProblems + tableProblems
    for (key, value) in [
      ("faults.stuckOn", faults.stuckOn), ("faults.stuckOff", faults.stuckOff), ("faults.open", faults.open),
    ] { require(key, value, 0...1, "a fraction of all devices") }
    let faulty = faults.stuckOn + faults.stuckOff + faults.open
    if faulty > 1 {
      found.append(("faults", "faults are \(faulty) of all devices, more than there are; expected at most 1"))
    }
    if let verify = writeVerify {
      require("writeVerify.tolerance", verify.tolerance, 1e-30...1, "a fraction of the range, above 0")
      require("writeVerify.maxIterations", Double(verify.maxIterations), 1...32_767, "1 to 32767")
    }
    if let drift {
      require("drift.referenceTime", drift.referenceTime, 1e-30...1e30, "a time above 0")
      require("drift.exponent", drift.exponent.value, -10...10, "a number from -10 to 10")
      require("drift.variation", drift.variation.value, -10...10, "a number from -10 to 10")
    }
    if let retention {
      require("retention.timeConstant", retention.timeConstant, 1e-30...1e30, "a time above 0")
      require("retention.restingState", retention.restingState, 0...1, "a state from 0 to 1")
    }
    require("readNoise.temperature", readNoise.temperature, 0...1e6, "a temperature in kelvin")
    require("readNoise.bandwidth", readNoise.bandwidth, 0...1e30, "a number of hertz, not below 0")
    require("readNoise.flicker", readNoise.flicker, 0...1e6, anyNumber)
    if !(readNoise.lowFrequency > 0 && readNoise.lowFrequency < readNoise.highFrequency) {
      found.append(
        (
          "readNoise.lowFrequency",
          "readNoise.lowFrequency, \(readNoise.lowFrequency) Hz, is not between 0 and highFrequency, "
            + "\(readNoise.highFrequency) Hz"
        ))
    }
    if let telegraph = readNoise.telegraph {
      require("readNoise.telegraph.fraction", telegraph.fraction, 0...1, "a fraction of all devices")
      require("readNoise.telegraph.amplitude", telegraph.amplitude, 0...1, "a part of the conductance, 0 to 1")
      require("readNoise.telegraph.occupancy", telegraph.occupancy, 0...1, "a probability")
    }
    return found
  }

  private var lawProblems: [(key: String, sentence: String)] {
    guard let law else { return [] }
    if case .piecewise(let up, let down) = law {
      for (way, nodes) in [("up", up), ("down", down)] {
        guard !nodes.isEmpty else { return [("family", "the steps \(way) are an empty list; expected at least one")] }
        for (a, b) in zip(nodes, nodes.dropFirst()) where !(a.u < b.u) {
          return [
            ("family", "the steps \(way) are not in order: a node at \(b.u) stands after the one at \(a.u)")
          ]
        }
        if let bad = nodes.first(where: { !($0.f >= 0 && $0.f < 1e30) }) {
          return [("family", "a step \(way) is \(bad.f) times pulseStep; expected a number not below 0")]
        }
      }
    }
    for (way, isUp) in [("up", true), ("down", false)] {
      let steps = (0...64).map { law.relativeStep(up: isUp, at: Double($0) / 64) }
      if let bad = steps.first(where: { !$0.isFinite }) {
        return [
          ("family", "the step \(way) is \(bad) times pulseStep somewhere in the range; expected a finite number")
        ]
      }
      if steps.allSatisfy({ $0 == 0 }) {
        return [("family", "no pulse \(way) ever moves this device: its step is 0 everywhere")]
      }
      if pulseStep * steps[32] > 1 {
        return [
          (
            "pulseStep",
            "pulseStep is \(pulseStep), and one pulse \(way) from the middle moves the state by "
              + "\(pulseStep * steps[32]), more than its whole range"
          )
        ]
      }
    }
    return []
  }

  private var tableProblems: [(key: String, sentence: String)] {
    for (i, level) in levelTable.enumerated() {
      guard level.x >= 0, level.x <= 1, level.sigma >= 0, level.sigma < 1e6 else {
        return [
          (
            "conductanceTable",
            "conductanceTable: level \(i) is \(level.x) of the range with a deviation of \(level.sigma); expected 0 to 1 and "
              + "a deviation not below 0"
          )
        ]
      }
      if i > 0, levelTable[i - 1].x >= level.x {
        return [("conductanceTable", "conductanceTable: level \(i) is not above the one before it")]
      }
    }
    return levelTable.count == 1
      ? [("conductanceTable", "conductanceTable has one level; expected at least two")] : []
  }
}
