/// The parasitic resistances of a crossbar's wires and terminals, in ohm.
///
/// ```
///            column 0      column 1            column n−1
///              ┊             ┊                   ┊              ╱  cell (i, j): conductance G[i, j] in siemens
///  V₀ ─Rd+Rw───●────Rw───────●────Rw─── ⋯ ───────●  (open)     ╱   between word node (i, j) and bit node (i, j)
///              ┊╲            ┊╲                  ┊╲
///              ┊ ○ (open)    ┊ ○                 ┊ ○
///              ┊ │Rw         ┊ │Rw               ┊ │Rw         ●  word node     Rw  wireResistance, per segment
///  V₁ ─Rd+Rw───●─┼──Rw───────●─┼──Rw─── ⋯ ───────● │           ○  bit node      Rd  driverResistance
///               ╲│            ╲│                  ╲│                            Rs  senseResistance
///                ○             ○                   ○
///                ⋮ Rw+Rs       ⋮ Rw+Rs             ⋮ Rw+Rs
///                ⏚ I₀          ⏚ I₁                ⏚ I₍n−1₎
/// ```
///
/// With w the word-line and b the bit-line voltages, g = 1/Rw, gd = 1/(Rd + Rw), gs = 1/(Rs + Rw), Kirchhoff's current
/// law reads at the nodes of cell (i, j), terms beyond an open end left out:
///
///     g·(w[i,j−1] − w[i,j]) + g·(w[i,j+1] − w[i,j]) = G[i,j]·(w[i,j] − b[i,j])     (first term gd·(V[i] − w[i,0]))
///     g·(b[i−1,j] − b[i,j]) + g·(b[i+1,j] − b[i,j]) = G[i,j]·(b[i,j] − w[i,j])     (last term −gs·b[m−1,j])
///     I[j] = gs·b[m−1,j]
///
/// There are as many wire segments on a line as cells: the driver sits one segment before the first cell, the sense
/// node one segment after the last. Every cell is a resistor (or follows another `CellLaw`), so all sneak paths are in.
/// This is the topology of badcrossbar (F. Joksas and A. Mehonic, SoftwareX 12, 100617, 2020), with terminals added.
public struct CircuitParameters: Sendable, Equatable {
  /// Resistance of one wire segment between neighbouring cells, in ohm. 0 is exact: every line is one node. Infinity, as
  /// for the other two, is a break: no current leaves the array.
  public var wireResistance: Double
  /// Resistance of each line driver, in ohm, in series with the first wire segment.
  public var driverResistance: Double
  /// Input resistance of each sense amplifier, in ohm, in series with the last wire segment.
  public var senseResistance: Double

  public init(wireResistance: Double, driverResistance: Double = 0, senseResistance: Double = 0) {
    self.wireResistance = wireResistance
    self.driverResistance = driverResistance
    self.senseResistance = senseResistance
  }

  /// The largest conductance taken, in siemens, of a cell or a conductor, and the largest resistance of a conductor, in
  /// ohm: sums and products of two stay within Float64.
  public static let largestConductance = 1e150

  /// Whether the array behaves as the plain product I = V·G.
  public var isIdeal: Bool { wireResistance == 0 && driverResistance == 0 && senseResistance == 0 }

  /// - Throws: `CircuitError` if a resistance is neither 0, infinite nor from 1e-150 to 1e150 ohm.
  public func validate() throws {
    let limit = CircuitParameters.largestConductance
    let named = [
      ("wireResistance", wireResistance), ("driverResistance", driverResistance), ("senseResistance", senseResistance),
    ]
    for (name, value) in named {
      guard value == 0 || value == .infinity || value >= 1 / limit && value <= limit else {
        throw CircuitError(
          "\(name) is \(value) ohm; expected 0 (an ideal conductor), a number from \(1 / limit) to \(limit), or infinity "
            + "(a break)")
      }
    }
  }
}

/// Which way a crossbar is read.
public enum ReadDirection: Sendable, CaseIterable {
  /// Word lines are driven at column 0, bit lines sensed at row m − 1: I[j] = Σᵢ V[i]·G_eff[i, j].
  case forward
  /// The same terminals with their roles exchanged: bit line j is driven at row m − 1 through
  /// driverResistance + wireResistance, word line i sensed at column 0 through senseResistance + wireResistance.
  case backward
}

/// Why a circuit cannot be solved, as a sentence.
public struct CircuitError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
